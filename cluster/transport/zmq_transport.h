// The transport of real processes: ZeroMQ ROUTER and DEALER sockets, one reactor thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cluster/transport/link_security.h"
#include "cluster/transport/transport.h"
#include "common/clock.h"
#include "common/status.h"

namespace promptcache {

// I/O threads and the name space of inproc endpoints. Transports of one process that talk over
// inproc share one. Thread safe. Its destruction waits until what was sent has left, at most the
// transports' linger time.
class TransportContext {
 public:
  // Never null. Where the system refuses (file descriptors), opening sockets reports it.
  static std::shared_ptr<TransportContext> Create(int io_threads = 1);
  ~TransportContext();

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit TransportContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct ZmqTransportOptions {
  std::shared_ptr<TransportContext> context;  // null: one of its own
  std::chrono::milliseconds linger{1'000};    // for what was sent before a socket closes
  LinkSecurity security;                      // of every socket
  // How often it is looked whether the allowlist has changed, and refusals are logged.
  std::chrono::milliseconds key_check{1'000};
  // Of timers, and of how long one socket keeps the others waiting; outlives the transport.
  const Clock* clock = &SystemClock();
};

struct TransportCounters {
  uint64_t bad_frames = 0;  // dropped: not one header frame with at most one payload
  uint64_t sent = 0;        // messages
  uint64_t received = 0;    // messages, without the bad ones
  // What listeners refused:
  uint64_t failed_handshakes = 0;  // of who speaks no or another security, garbage, or not on
  uint64_t unknown_keys = 0;       // handshakes with keys that are not on the allowlist
  uint64_t revoked = 0;            // messages on links whose key is not on it any more
};

// The thread that calls Run is the reactor thread. Handlers, timers and posted functions run on it
// one after the other and must not block.
class ZmqTransport final : public Transport {
 public:
  // kUnavailable when the system refuses; as Allowlist::Load when there is a list that cannot be
  // read.
  static Result<std::unique_ptr<ZmqTransport>> Create(ZmqTransportOptions options = {});
  static Result<std::unique_ptr<ZmqTransport>> Create(std::shared_ptr<TransportContext> context);
  // REQUIRES: Run has returned or was never called.
  ~ZmqTransport() override;

  // Serves until Stop. Then closes every socket and drops timers and posted functions. Call once.
  void Run();
  // Thread safe, also before Run (which then returns at once).
  void Stop();

  Result<SocketId> Listen(const ListenOptions& options, MessageHandler handler) override;
  Result<std::string> BoundEndpoint(SocketId socket) const override;
  Result<SocketId> Connect(const ConnectOptions& options, MessageHandler handler) override;
  void Close(SocketId socket) override;
  Status Send(SocketId socket, PeerId peer, Frames frames) override;
  TimerId After(std::chrono::milliseconds delay, std::function<void()> function) override;
  void CancelTimer(TimerId timer) override;
  void Post(std::function<void()> function) override;
  const KeyOwner* self() const override;

  // Reads the allowlist now; after an error, which is logged, the old one holds. On the reactor
  // thread.
  void ReloadKeys();

  TransportCounters counters() const;  // thread safe

 private:
  class Impl;
  explicit ZmqTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace promptcache
