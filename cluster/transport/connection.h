// The connecting side of a link: greets, keeps alive, notices silence, comes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

struct ConnectionOptions {
  ConnectOptions connect;
  Hello hello;  // where links have keys, role and name are the key's
  // Until the peer's HelloAck says otherwise: how long an attempt may take, and the tick.
  std::chrono::milliseconds lease{3'000};
  std::chrono::milliseconds heartbeat{500};
  // Between attempts: doubles from the first to the last, minus up to a quarter at random. A link
  // that lasted for a lease starts it over.
  std::chrono::milliseconds min_backoff{50};
  std::chrono::milliseconds max_backoff{2'000};
};

// All are optional and called on the reactor thread. They may call the connection, also Stop, and
// may destroy it.
struct ConnectionEvents {
  std::function<void(const HelloAck&)> on_up;
  // The link was lost (after on_up), or an attempt failed; another one follows by itself.
  std::function<void(const Status&)> on_down;
  // Everything but greetings and heartbeats. Only while up.
  std::function<void(Envelope, Frame payload)> on_message;
};

// Belongs to the reactor thread. The transport must outlive it.
class Connection {
 public:
  Connection(Transport& transport, ConnectionOptions options, ConnectionEvents events);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins connecting. kInvalidArgument for an endpoint that can never work. Call once.
  Status Start();
  // Closes the socket. No callback follows.
  void Stop();

  bool up() const { return state_ == State::kUp; }
  // kUnavailable unless up; kResourceExhausted for a frame over the peer's limit (sending it would
  // break the link); else as Transport::Send.
  Status Send(const Envelope& envelope, Frame payload = {});
  // Messages that did not decode; each ends the link.
  uint64_t bad_messages() const { return bad_messages_; }

 private:
  enum class State { kStopped, kWaiting, kGreeting, kUp };

  Status Open();
  Hello Greeting() const;
  void Greet();
  void Tick();
  void Handle(Incoming incoming);
  void HandleUp(Envelope envelope, Frame payload);
  void HandleGreeting(const Envelope& envelope);
  void GoDown(Status why);
  void CloseSocket();
  std::chrono::milliseconds NextBackoff();
  Status SendNow(const Message& message);  // about the link

  Transport& transport_;
  const ConnectionOptions options_;
  // Shared with callbacks that run: they may destroy this object.
  const std::shared_ptr<const ConnectionEvents> events_;

  State state_ = State::kStopped;
  SocketId socket_ = 0;
  TimerId timer_ = 0;
  bool greeted_ = false;  // the Hello of this attempt was sent
  bool heard_ = false;    // since the last tick
  std::chrono::milliseconds silent_{0};
  std::chrono::milliseconds lived_{0};  // since the link came up
  std::chrono::milliseconds heartbeat_{0};
  std::chrono::milliseconds lease_{0};
  std::chrono::milliseconds backoff_{0};
  uint64_t max_frame_bytes_ = 0;  // of the peer; 0: unknown
  uint64_t jitter_ = 0;
  uint64_t bad_messages_ = 0;
};

}  // namespace promptcache
