// Bytes over a bare tcp connection. Internal to cachestore/service.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/file_descriptor.h"
#include "common/hash.h"
#include "common/status.h"

namespace promptcache {

// Of "tcp://HOST:PORT", with or without "#KEY"; empty for what is no tcp endpoint.
std::string HostOf(std::string_view endpoint);
// The IPv4 address of a name, or of an address itself. Blocks for as long as the system asks
// others. kUnavailable when there is none.
Result<std::string> ResolveHost(const std::string& host);

// Its calls block. Thread safe only for ShutDown, which ends what another thread does.
class StreamSocket {
 public:
  explicit StreamSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

  // `host` is an IPv4 address. kUnavailable when there is nobody within the timeout, which also
  // holds for what is sent and received.
  static Result<std::unique_ptr<StreamSocket>> Connect(const std::string& host, uint16_t port,
                                                       std::chrono::milliseconds timeout);

  // How long the peer may do nothing.
  Status SetTimeout(std::chrono::milliseconds timeout);
  // Small pieces leave at once. Within this machine nothing is held back for a network's sake.
  Status SendAtOnce();

  // All of `first`, then all of `second`. kUnavailable when the connection has ended or `second`
  // cannot be read, kDeadlineExceeded when the peer takes nothing.
  Status Send(std::span<const uint8_t> first, std::span<const uint8_t> second = {});
  // Fills `out`. kUnavailable and kDeadlineExceeded as above.
  Status Receive(std::span<uint8_t> out);
  // Fills `out` and hashes it while the CPU's caches have it.
  Result<Hash128> ReceiveHashed(std::span<uint8_t> out);

  // Nothing has come that nobody asked for, neither bytes nor an end.
  bool IsQuiet() const;
  void ShutDown();

 private:
  const FileDescriptor socket_;
};

// Where connections are accepted.
class StreamListener {
 public:
  // `host` is an IPv4 address; port 0: any free one. kUnavailable when the system refuses.
  static Result<std::unique_ptr<StreamListener>> Listen(const std::string& host, uint16_t port);

  uint16_t port() const { return port_; }
  // kCancelled after ShutDown, kResourceExhausted when the system has no room for one more.
  Result<std::unique_ptr<StreamSocket>> Accept();
  void ShutDown();  // thread safe

 private:
  StreamListener(FileDescriptor socket, uint16_t port) : socket_(std::move(socket)), port_(port) {}

  const FileDescriptor socket_;
  const uint16_t port_;
};

}  // namespace promptcache
