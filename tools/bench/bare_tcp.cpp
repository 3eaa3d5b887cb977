#include "tools/bench/bare_tcp.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace promptcache {
namespace {

Status SystemError(const char* what) {
  return Unavailable(std::string(what) + ": " + std::strerror(errno));
}

// Until the near end shuts down.
void SendWhatIsAskedFor(int file) {
  const int at_once = 1;  // the last piece does not wait for an answer to those before
  if (::setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once)) != 0) return;
  const std::vector<uint8_t> piece(1 << 20, 1);
  uint64_t left = 0;
  while (::recv(file, &left, sizeof(left), MSG_WAITALL) == sizeof(left)) {
    while (left > 0) {
      const ssize_t sent =
          ::send(file, piece.data(), std::min<uint64_t>(left, piece.size()), MSG_NOSIGNAL);
      if (sent <= 0) return;
      left -= static_cast<uint64_t>(sent);
    }
  }
}

// The far end of a connection to the listening socket, or -1.
int Join(int listener, int near) {
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  const bool connected = ::bind(listener, raw, size) == 0 && ::listen(listener, 1) == 0 &&
                         ::getsockname(listener, raw, &size) == 0 &&
                         ::connect(near, raw, size) == 0;
  return connected ? ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) : -1;
}

}  // namespace

BareTcp::BareTcp(int near, int far)
    : near_(near), far_(far), sender_([far] { SendWhatIsAskedFor(far); }) {}

BareTcp::~BareTcp() {
  ::shutdown(near_, SHUT_RDWR);
  sender_.join();
  ::close(near_);
  ::close(far_);
}

Result<std::unique_ptr<BareTcp>> BareTcp::Open() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int near = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int far = Join(listener, near);
  const Status status = far < 0 ? SystemError("a tcp connection") : Status();
  ::close(listener);
  if (status.ok()) return std::unique_ptr<BareTcp>(new BareTcp(near, far));
  ::close(near);
  return status;
}

Status BareTcp::Fetch(std::span<uint8_t> out) {
  const uint64_t count = out.size();
  if (::send(near_, &count, sizeof(count), MSG_NOSIGNAL) != sizeof(count)) {
    return SystemError("ask for bytes");
  }
  while (!out.empty()) {
    const ssize_t got = ::recv(near_, out.data(), out.size(), 0);
    if (got <= 0) return SystemError("take bytes");
    out = out.subspan(static_cast<size_t>(got));
  }
  return {};
}

}  // namespace promptcache
