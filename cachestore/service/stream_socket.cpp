#include "cachestore/service/stream_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr int kBacklog = 128;

Status SystemError(const std::string& what) {
  return Unavailable(what + ": " + std::strerror(errno));
}

FileDescriptor TcpSocket(int flags) {
  return FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

Result<sockaddr_in> AddressOf(const std::string& host, uint16_t port) {
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1) return address;
  return Unavailable("no IPv4 address: " + host);
}

// What an attempt that does not block has come to.
Status FinishConnecting(int socket, milliseconds timeout) {
  pollfd wait{.fd = socket, .events = POLLOUT};
  int ready = 0;
  do ready = ::poll(&wait, 1, static_cast<int>(timeout.count()));
  while (ready < 0 && errno == EINTR);
  if (ready == 0) return Unavailable("no answer within " + std::to_string(timeout.count()) + " ms");
  socklen_t size = sizeof(errno);
  int error = 0;
  if (ready < 0 || ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return SystemError("connect");
  }
  errno = error;
  return error == 0 ? Status() : SystemError("connect");
}

Status ConnectWithin(int socket, const sockaddr_in& address, milliseconds timeout) {
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket, raw, sizeof(address)) == 0) return {};
  return errno == EINPROGRESS ? FinishConnecting(socket, timeout) : SystemError("connect");
}

bool SetOption(int socket, int level, int option, const auto& value) {
  return ::setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

bool IsLoopback(int socket) {
  sockaddr_in peer{};
  socklen_t size = sizeof(peer);
  return ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
         ntohl(peer.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

// Why a call that moved nothing did not. REQUIRES: `count` <= 0.
Status EndOf(ssize_t count, const char* what) {
  if (count == 0) return Unavailable("the connection was closed");
  if (errno == EAGAIN || errno == EWOULDBLOCK) return DeadlineExceeded("the peer does nothing");
  return SystemError(what);
}

}  // namespace

std::string HostOf(std::string_view endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  if (!endpoint.starts_with(kTcp)) return "";
  endpoint = endpoint.substr(kTcp.size());
  endpoint = endpoint.substr(0, endpoint.find('#'));  // a key may have colons
  return std::string(endpoint.substr(0, endpoint.rfind(':')));
}

Result<std::string> ResolveHost(const std::string& host) {
  const addrinfo wanted{.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found); error != 0) {
    return Unavailable("no host " + host + ": " + ::gai_strerror(error));
  }
  sockaddr_in address{};
  std::memcpy(&address, found->ai_addr, sizeof(address));
  ::freeaddrinfo(found);
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return std::string(text.data());
}

Result<std::unique_ptr<StreamSocket>> StreamSocket::Connect(const std::string& host, uint16_t port,
                                                            milliseconds timeout) {
  PC_ASSIGN_OR_RETURN(const sockaddr_in address, AddressOf(host, port));
  FileDescriptor socket = TcpSocket(SOCK_NONBLOCK);
  if (!socket.open()) return SystemError("a socket");
  PC_RETURN_IF_ERROR(ConnectWithin(socket.get(), address, timeout));
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return SystemError("a socket");
  }
  auto stream = std::make_unique<StreamSocket>(std::move(socket));
  PC_RETURN_IF_ERROR(stream->SetTimeout(timeout));
  PC_RETURN_IF_ERROR(stream->SendAtOnce());
  return stream;
}

Status StreamSocket::SetTimeout(milliseconds timeout) {
  const timeval time{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
  const bool is_set = SetOption(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, time) &&
                      SetOption(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, time);
  return is_set ? Status() : SystemError("set the timeout of a socket");
}

Status StreamSocket::SendAtOnce() {
  if (!SetOption(socket_.get(), IPPROTO_TCP, TCP_NODELAY, int{1})) {
    return SystemError("set an option of a socket");
  }
  // BBR, where a system has it for all, paces by what it takes for the network's rate: on loopback
  // a fifth slower. Reno is there everywhere; where it may not be chosen the connection works as
  // well.
  if (IsLoopback(socket_.get())) {
    constexpr std::string_view kReno = "reno";
    (void)::setsockopt(socket_.get(), IPPROTO_TCP, TCP_CONGESTION, kReno.data(), kReno.size());
  }
  return {};
}

Status StreamSocket::Send(std::span<const uint8_t> first, std::span<const uint8_t> second) {
  while (!first.empty() || !second.empty()) {
    std::array<iovec, 2> parts{iovec{const_cast<uint8_t*>(first.data()), first.size()},
                               iovec{const_cast<uint8_t*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return EndOf(count, "send");
    const size_t of_first = std::min(static_cast<size_t>(count), first.size());
    first = first.subspan(of_first);
    second = second.subspan(static_cast<size_t>(count) - of_first);
  }
  return {};
}

Status StreamSocket::Receive(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t count = ::recv(socket_.get(), out.data(), out.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return EndOf(count, "receive");
    out = out.subspan(static_cast<size_t>(count));
  }
  return {};
}

Result<Hash128> StreamSocket::ReceiveHashed(std::span<uint8_t> out) {
  constexpr size_t kPiece = 128 << 10;
  Xxh3Stream hash;
  while (!out.empty()) {
    const auto piece = out.first(std::min(out.size(), kPiece));
    PC_RETURN_IF_ERROR(Receive(piece));
    hash.Add(piece);
    out = out.subspan(piece.size());
  }
  return hash.Finish();
}

bool StreamSocket::IsQuiet() const {
  uint8_t byte = 0;
  const ssize_t count = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void StreamSocket::ShutDown() { ::shutdown(socket_.get(), SHUT_RDWR); }

Result<std::unique_ptr<StreamListener>> StreamListener::Listen(const std::string& host,
                                                               uint16_t port) {
  PC_ASSIGN_OR_RETURN(sockaddr_in address, AddressOf(host, port));
  FileDescriptor socket = TcpSocket(0);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  const bool listens = socket.open() && SetOption(socket.get(), SOL_SOCKET, SO_REUSEADDR, int{1}) &&
                       ::bind(socket.get(), raw, size) == 0 &&
                       ::listen(socket.get(), kBacklog) == 0 &&
                       ::getsockname(socket.get(), raw, &size) == 0;
  if (!listens) return SystemError("listen on " + host + ":" + std::to_string(port));
  return std::unique_ptr<StreamListener>(
      new StreamListener(std::move(socket), ntohs(address.sin_port)));
}

Result<std::unique_ptr<StreamSocket>> StreamListener::Accept() {
  for (;;) {
    FileDescriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.open()) return std::make_unique<StreamSocket>(std::move(socket));
    if (errno == EINVAL || errno == EBADF) return Cancelled("nothing is accepted any more");
    const bool no_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (no_room) return ResourceExhausted(std::string("accept: ") + std::strerror(errno));
    // The one who connected has gone again.
  }
}

void StreamListener::ShutDown() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace promptcache
