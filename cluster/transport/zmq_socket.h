// One ZeroMQ socket with the framing of this project. Internal to cluster/transport.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cluster/transport/transport.h"
#include "cluster/transport/zmq_context.h"

namespace promptcache {

struct SocketOptions {
  uint64_t max_message_bytes = 0;
  uint32_t high_water_messages = 0;
  std::chrono::milliseconds linger{0};
};

// Not thread safe: belongs to the reactor thread.
class ZmqSocket {
 public:
  static Result<std::unique_ptr<ZmqSocket>> Listen(std::shared_ptr<TransportContext> context,
                                                   const std::string& endpoint,
                                                   const SocketOptions& options);
  static Result<std::unique_ptr<ZmqSocket>> Connect(std::shared_ptr<TransportContext> context,
                                                    const std::string& endpoint,
                                                    const SocketOptions& options);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  Status Send(PeerId peer, Frames frames);

  enum class Received { kNothing, kMessage, kBad };
  // Takes one message without waiting.
  Received Receive(Incoming* out);

  // What zmq_poll watches. The monitor is null for listening and inproc sockets.
  void* handle() const { return socket_; }
  void* monitor() const { return monitor_; }
  // Takes the connection's changes of state out of the monitor.
  void DrainMonitor();

  const std::string& endpoint() const { return endpoint_; }
  void Close();

 private:
  enum class Kind { kRouter, kDealer };
  ZmqSocket(std::shared_ptr<TransportContext> context, Kind kind, std::string endpoint,
            const SocketOptions& options);
  Status Open();
  Status Bind();
  Status StartConnecting();
  Status WatchConnection();
  Status CheckSizes(const Frames& frames) const;
  Status CheckInprocPeer();
  Status WhyNotSent(int error);
  bool ReceiveRoute(PeerId* peer, bool* more, bool* bad);

  const std::shared_ptr<TransportContext> context_;
  const Kind kind_;
  const SocketOptions options_;
  std::string endpoint_;
  bool is_inproc_ = false;
  uint64_t inproc_generation_ = 0;  // of the listener a connecting socket is attached to
  bool is_connected_ = false;       // tcp and ipc; as told by the monitor
  void* socket_ = nullptr;
  void* monitor_ = nullptr;
};

}  // namespace promptcache
