#include "cluster/transport/ready_set.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace promptcache {

Result<ReadySet> ReadySet::Create() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd >= 0) return ReadySet(fd);
  return Unavailable("cannot open an event descriptor; raise the limit of open files (ulimit -n)");
}

ReadySet::~ReadySet() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

Status ReadySet::Add(int fd, uint64_t token) {
  if (fd < 0) return {};
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Unavailable(std::string("cannot watch a descriptor: ") + std::strerror(errno) +
                     "; where there is no space, raise fs.epoll.max_user_watches");
}

void ReadySet::Remove(int fd) {
  // The only failure is a descriptor that is not watched.
  if (fd >= 0) (void)epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const uint64_t> ReadySet::Wait(int timeout_ms) {
  const int ready = epoll_wait(epoll_fd_, events_.data(), kAtOnce, timeout_ms);
  if (ready < 0 && errno != EINTR) std::abort();  // its descriptor is not its own any more
  for (int i = 0; i < ready; ++i) tokens_[i] = events_[i].data.u64;
  return {tokens_.data(), static_cast<size_t>(ready < 0 ? 0 : ready)};
}

}  // namespace promptcache
