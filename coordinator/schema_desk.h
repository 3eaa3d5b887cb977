// What clients ask about schemas. Internal to coordinator/.
#pragma once

#include <functional>
#include <utility>

#include "cluster/transport/peer_table.h"
#include "coordinator/schema_catalog.h"

namespace promptcache {

// Belongs to the reactor thread.
class SchemaDesk {
 public:
  using Answer = std::function<void(PeerId client, const RequestId& request, Message answer)>;

  // The catalog outlives the desk, and the desk what the catalog still calls back.
  SchemaDesk(SchemaCatalog& catalog, Answer answer)
      : catalog_(catalog), answer_(std::move(answer)) {}

  // False: the message is not for the desk.
  bool Handle(const PeerInfo& peer, const RequestId& id, Message& body);

 private:
  Message Added(const Result<SchemaPtr>& added) const;

  SchemaCatalog& catalog_;
  const Answer answer_;
};

}  // namespace promptcache
