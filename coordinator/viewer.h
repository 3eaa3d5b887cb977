// What a peer may look at. Internal to coordinator/.
#pragma once

#include "cluster/transport/peer_table.h"
#include "coordinator/registry/registry.h"

namespace promptcache {

// Operators see what all tenants have, as does everybody where links have no keys.
inline SchemaViewer ViewerOf(const PeerInfo& peer) {
  return {.tenant = peer.tenant(),
          .sees_all = peer.key == nullptr || peer.hello.role == PeerRole::kAdmin};
}

}  // namespace promptcache
