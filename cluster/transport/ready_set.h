// Which of many descriptors have something to read. Internal to cluster/transport.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "common/status.h"

namespace promptcache {

// Each descriptor goes by a token of the caller's. Asking costs as much as there are descriptors
// that are ready, however many are watched. Not thread safe.
class ReadySet {
 public:
  // kUnavailable when the system refuses.
  static Result<ReadySet> Create();
  ReadySet(ReadySet&& other) noexcept : epoll_fd_(std::exchange(other.epoll_fd_, -1)) {}
  ReadySet& operator=(ReadySet&&) = delete;
  ~ReadySet();

  // Watches it until Remove, which comes before it is closed. A negative one is passed over.
  // kUnavailable when the system refuses.
  Status Add(int fd, uint64_t token);
  void Remove(int fd);

  // The tokens of those that are ready, after waiting for one, or so long; negative: for ever.
  // Those that do not fit this time come the next. Empty after a signal, too. Valid until the next
  // call.
  std::span<const uint64_t> Wait(int timeout_ms);

 private:
  static constexpr int kAtOnce = 256;

  explicit ReadySet(int epoll_fd) : epoll_fd_(epoll_fd) {}

  int epoll_fd_;
  std::array<epoll_event, kAtOnce> events_;
  std::array<uint64_t, kAtOnce> tokens_;
};

}  // namespace promptcache
