// What the listeners of a process refused. Internal to cluster/transport.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace promptcache {

// Counted on the reactor thread, read from any.
struct Refusals {
  std::atomic<uint64_t> failed_handshakes{0};
  std::atomic<uint64_t> unknown_keys{0};
  std::atomic<uint64_t> revoked{0};
};

// Says in one line what has been refused since it last did. Not one by one: who is refused may come
// back as often as he likes.
class RefusalLog {
 public:
  // `last_unknown_key`: in Z85.
  void Write(const Refusals& refusals, const std::string& last_unknown_key);

 private:
  uint64_t failed_handshakes_ = 0;
  uint64_t unknown_keys_ = 0;
  uint64_t revoked_ = 0;
};

}  // namespace promptcache
