// What clients ask about schemas. Internal to coordinator/.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "cluster/transport/peer_table.h"
#include "coordinator/schema_catalog.h"

namespace promptcache {

// Belongs to the reactor thread.
class SchemaDesk {
 public:
  using Answer = std::function<void(PeerId client, const RequestId& request, Message answer)>;

  // Catalog and clients outlive the desk, and the desk what the catalog still calls back.
  SchemaDesk(SchemaCatalog& catalog, const PeerTable& clients, Answer answer)
      : catalog_(catalog), clients_(clients), answer_(std::move(answer)) {}

  // False: the message is not for the desk.
  bool Handle(const PeerInfo& peer, const RequestId& id, Message& body);

 private:
  bool CheckName(PeerId client, const RequestId& id, const std::string& name) const;
  // Makes nothing for a client that has not read what it was sent before.
  Message Listed(PeerId client, const SchemaViewer& viewer, const std::string& name) const;
  Message Added(const Result<SchemaPtr>& added) const;

  SchemaCatalog& catalog_;
  const PeerTable& clients_;
  const Answer answer_;
};

}  // namespace promptcache
