#include "coordinator/schema_desk.h"

#include "common/log.h"
#include "coordinator/reply.h"
#include "coordinator/viewer.h"

namespace promptcache {

bool SchemaDesk::Handle(const PeerInfo& peer, const RequestId& id, Message& body) {
  const PeerId client = peer.id;
  const SchemaViewer viewer = ViewerOf(peer);
  if (auto* add = std::get_if<SchemaAdd>(&body)) {
    catalog_.Add(
        std::move(*add), viewer.tenant,
        [this, client, id](const Result<SchemaPtr>& added) { answer_(client, id, Added(added)); });
  } else if (const auto* list = std::get_if<SchemaList>(&body)) {
    if (!CheckName(client, id, list->name)) return true;
    catalog_.CatchUp(
        viewer.tenant, [this, client, id, viewer, name = list->name](const Status& known) {
          const bool is_busy = known.code() == Code::kBusy;
          answer_(client, id, is_busy ? Message(ReplyOf(known)) : Listed(client, viewer, name));
        });
  } else if (const auto* remove = std::get_if<SchemaRemove>(&body)) {
    if (!CheckName(client, id, remove->name)) return true;
    catalog_.Remove(viewer, remove->name, [this, client, id](const Status& removed) {
      answer_(client, id, ReplyOf(removed));
    });
  } else {
    return false;
  }
  return true;
}

// Names wait with the question. False: it was answered.
bool SchemaDesk::CheckName(PeerId client, const RequestId& id, const std::string& name) const {
  constexpr size_t kMaxNameBytes = 1024;
  if (name.size() <= kMaxNameBytes) return true;
  answer_(client, id, ReplyOf(InvalidArgument("a schema's name of more than 1024 bytes")));
  return false;
}

Message SchemaDesk::Listed(PeerId client, const SchemaViewer& viewer,
                           const std::string& name) const {
  if (const Status room = clients_.CheckRoom(client); !room.ok()) return ReplyOf(room);
  auto schemas = catalog_.List(viewer, name);
  if (!schemas.ok()) return ReplyOf(schemas.status());
  return SchemaReply{*std::move(schemas)};
}

Message SchemaDesk::Added(const Result<SchemaPtr>& added) const {
  if (!added.ok()) return ReplyOf(added.status());
  const RegisteredSchema& schema = **added;
  Log(LogLevel::kInfo, "schema registered",
      {{"schema", schema.name},
       {"version", schema.version},
       {"tenant", schema.tenant},
       {"shared", schema.shared},
       {"tokens", schema.layout.length},
       {"units", schema.layout.units.size()}});
  return SchemaReply{{schema.Info()}};
}

}  // namespace promptcache
