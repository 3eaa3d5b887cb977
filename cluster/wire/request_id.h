// Request ids as the wire has them. Internal to cluster/wire.
#pragma once

#include <cstring>

#include "common/ids.h"
#include "schemas/wire/access.h"

namespace promptcache {

inline wire::RequestId ToWire(const RequestId& id) {
  return wire::RequestId(flatbuffers::span<const uint8_t, 16>(id.bytes.data(), id.bytes.size()));
}

inline RequestId FromWire(const wire::RequestId& in) {
  RequestId out;
  std::memcpy(out.bytes.data(), &in, out.bytes.size());
  return out;
}

}  // namespace promptcache
