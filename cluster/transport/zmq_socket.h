// One ZeroMQ socket with the framing of this project. Internal to cluster/transport.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cluster/transport/keyring.h"
#include "cluster/transport/link_security.h"
#include "cluster/transport/transport.h"
#include "cluster/transport/zmq_context.h"
#include "cluster/transport/zmq_message.h"
#include "cluster/transport/zmq_monitor.h"

namespace promptcache {

struct SocketOptions {
  uint64_t max_message_bytes = 0;
  uint32_t high_water_messages = 0;
  uint32_t unread_messages = 0;
  std::chrono::milliseconds linger{0};
  const LinkSecurity* security = nullptr;  // outlives the socket
  const Keyring* keys = nullptr;           // of listeners with a key; outlives the socket
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

  enum class Received { kNothing, kMessage, kBad, kRevoked };
  // Takes one message without waiting.
  Received Receive(Incoming* out);

  // As EventFdOf. The monitor has none for inproc sockets.
  int event_fd() const { return EventFdOf(socket_); }
  int monitor_fd() const { return EventFdOf(monitor_.handle()); }
  // Takes the connection's changes of state out of the monitor.
  void DrainMonitor();
  // Of a listener, since the last call; without keys that are not on the allowlist.
  uint64_t TakeFailedHandshakes() { return std::exchange(failed_handshakes_, 0); }

  // With the own key of a listener behind it.
  std::string endpoint() const;
  void Close();

 private:
  enum class Kind { kRouter, kDealer };
  ZmqSocket(std::shared_ptr<TransportContext> context, Kind kind, Endpoint endpoint,
            const SocketOptions& options);
  Status Open();
  bool SetKeys();
  Status Bind();
  Status StartConnecting();
  Status WatchConnection();
  Status CheckSizes(const Frames& frames) const;
  Status CheckInprocPeer();
  Status WhyNotSent(int error);
  bool ReceiveRoute(PeerId* peer, bool* more, bool* bad);
  void HandleEvent(int type);
  bool NeedsKey() const { return has_keys_ && kind_ == Kind::kRouter; }

  const std::shared_ptr<TransportContext> context_;
  const Kind kind_;
  const SocketOptions options_;
  std::string endpoint_;  // without a key
  const std::optional<CurvePublicKey> server_key_;
  const bool is_inproc_;
  const bool has_keys_;
  uint64_t inproc_generation_ = 0;  // of the listener a connecting socket is attached to
  // As the monitor tells of tcp and ipc.
  bool is_connected_ = false;
  std::string handshake_failure_;  // of a connecting socket, why; empty: none
  bool broke_off_ = false;         // a handshake ended, and nobody said why; none succeeded since
  uint64_t failed_handshakes_ = 0;
  void* socket_ = nullptr;
  ZmqMonitor monitor_;
};

}  // namespace promptcache
