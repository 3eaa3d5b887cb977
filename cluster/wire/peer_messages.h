// Messages of any peer, as plain values. Included through cluster/wire/messages.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

inline constexpr uint16_t kWireVersion = 1;

// ---- any peer ----

enum class PeerRole : uint8_t {
  kClient = 1,
  kWorker = 2,
  kStore = 3,
  kCoordinator = 4,
  kAdmin = 5
};

// First message on every connection from the connecting side; nothing else is accepted before it.
struct Hello {
  PeerRole role = PeerRole::kClient;
  uint16_t min_version = kWireVersion;
  uint16_t max_version = kWireVersion;
  std::string name;    // worker id; free text for others
  uint64_t epoch = 0;  // start time of the peer's process in ns: a restart has a new epoch
  std::vector<std::string> capabilities;
  bool operator==(const Hello&) const = default;
};
struct HelloAck {
  uint16_t version = kWireVersion;
  std::string name;
  uint64_t epoch = 0;
  uint32_t heartbeat_ms = 1000;  // send at least this often
  uint32_t lease_ms = 3000;      // silence after which the peer is taken for gone
  uint64_t max_frame_bytes = 0;  // a larger frame breaks the link; 0: not said
  // Where a cachestore also serves blobs over bare tcp (cachestore/service/stream_frames.h), on the
  // host of this link; 0: nowhere.
  uint16_t stream_port = 0;
  RequestId stream_token;
  bool operator==(const HelloAck&) const = default;
};
struct Ping {
  bool operator==(const Ping&) const = default;
};
struct Pong {
  bool operator==(const Pong&) const = default;
};
// The answer to a request that failed or that has nothing else to say.
struct Reply {
  Code code = Code::kOk;
  std::string message;
  bool operator==(const Reply&) const = default;
};

}  // namespace promptcache
