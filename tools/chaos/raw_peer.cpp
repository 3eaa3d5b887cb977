#include "tools/chaos/raw_peer.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <string>

#include "cluster/wire/codec.h"

namespace promptcache::chaos {
namespace {

constexpr uint64_t kShortFrame = 255;
constexpr size_t kGreetingBytes = 64;

// Signature, version 3.0, mechanism NULL, no server.
std::string Greeting() {
  std::string greeting("\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL", 16);
  greeting.resize(kGreetingBytes, '\0');
  return greeting;
}

std::string Ready() {
  const std::string body("\5READY\13Socket-Type\0\0\0\6DEALER", 28);
  return std::string("\4", 1) + static_cast<char>(body.size()) + body;
}

}  // namespace

RawPeer::RawPeer(const TcpAddress& address)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval second{.tv_sec = 1};
  const timeval patience{.tv_sec = 5};  // a full backlog is asked again after a second
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    socket_ = FileDescriptor();
  }
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
}

void RawPeer::Greet() { SendRaw(Greeting() + Ready()); }

void RawPeer::AwaitGreeting() {
  for (size_t heard = 0; heard < kGreetingBytes + 2;) {
    std::array<char, 256> bytes;
    const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (count <= 0) return;
    heard += static_cast<size_t>(count);
  }
}

bool RawPeer::Hear() {
  std::array<char, 4096> bytes;
  return ::recv(socket_.get(), bytes.data(), bytes.size(), 0) > 0;
}

void RawPeer::SendRaw(std::string_view bytes) {
  (void)::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void RawPeer::SendFrame(std::string_view bytes, uint64_t announced) {
  std::string frame;
  if (announced <= kShortFrame) {
    frame = {'\0', static_cast<char>(announced)};
  } else {
    frame = {'\2'};
    for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>(announced >> shift);
  }
  SendRaw(frame.append(bytes));
}

void RawPeer::SendMessage(const Envelope& envelope) {
  const std::vector<uint8_t> bytes = EncodeEnvelope(envelope);
  SendMessage(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void RawPeer::Leave() {
  ::shutdown(socket_.get(), SHUT_WR);
  while (Hear()) {
  }
}

}  // namespace promptcache::chaos
