// Transport over ZeroMQ: ROUTER to listen, DEALER to connect, one thread that owns every socket.
#pragma once

#include <cstdint>
#include <memory>

#include "cluster/transport/transport.h"

namespace promptcache {

// What transports of one process share so that inproc:// endpoints meet. Thread safe; destroyed
// after the last transport that uses it.
class TransportContext {
 public:
  static std::shared_ptr<TransportContext> Create();
  virtual ~TransportContext() = default;
};

struct TransportCounters {
  uint64_t bad_frames = 0;  // messages that are not one or two frames, or without a header
  uint64_t sent = 0;        // messages
  uint64_t received = 0;
};

// Run() turns the calling thread into the reactor thread until Stop(). See transport.h for the
// thread rule of the rest. Destroy only after Run() has returned (or was never called).
class ZmqTransport : public Transport {
 public:
  // A null context gives the transport one of its own.
  static Result<std::unique_ptr<ZmqTransport>> Create(
      std::shared_ptr<TransportContext> context = nullptr);

  virtual void Run() = 0;
  virtual void Stop() = 0;                         // from any thread
  virtual TransportCounters counters() const = 0;  // from any thread
};

}  // namespace promptcache
