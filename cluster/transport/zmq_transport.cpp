#include "cluster/transport/zmq_transport.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <unordered_map>
#include <zmq.hpp>

#include "cluster/transport/endpoint.h"
#include "cluster/transport/timer_queue.h"
#include "common/clock.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxPeers = 100'000;
constexpr int kReceiveBurst = 64;  // messages of one socket before the others get their turn

class ZmqContext : public TransportContext {
 public:
  zmq::context_t context;
};

void ReleaseOwner(void* /*data*/, void* hint) {
  delete static_cast<std::shared_ptr<const void>*>(hint);
}

// Shares the frame's bytes with libzmq; small ones are cheaper to copy.
zmq::message_t ToMessage(const Frame& frame) {
  constexpr size_t kCopyBelow = 4096;
  if (frame.size() < kCopyBelow) return zmq::message_t(frame.bytes().data(), frame.size());
  auto* owner = new std::shared_ptr<const void>(frame.owner());
  return zmq::message_t(const_cast<uint8_t*>(frame.bytes().data()), frame.size(), &ReleaseOwner,
                        owner);
}

Frame ToFrame(zmq::message_t message) {
  auto owner = std::make_shared<zmq::message_t>(std::move(message));
  const std::span<const uint8_t> bytes(static_cast<const uint8_t*>(owner->data()), owner->size());
  return Frame::Share(std::move(owner), bytes);
}

Status FromZmq(const zmq::error_t& error, const std::string& what) {
  switch (error.num()) {
    case EHOSTUNREACH:
      return Unavailable(what + ": the peer is gone");
    case EADDRINUSE:
      return Unavailable(what + ": the address is in use");
    case EACCES:
      return Unavailable(what + ": permission denied");
    default:
      return Unavailable(what + ": " + error.what());
  }
}

struct Socket {
  zmq::socket_t zmq;
  MessageHandler handler;
  bool is_router = false;
  std::unordered_map<std::string, PeerId> peers;   // routing id to peer
  std::unordered_map<PeerId, std::string> routes;  // and back
  PeerId last_peer = 0;
};

void SetCommonOptions(zmq::socket_t& socket, uint64_t max_message_bytes, uint32_t high_water) {
  socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(max_message_bytes));
  socket.set(zmq::sockopt::sndhwm, static_cast<int>(high_water));
  socket.set(zmq::sockopt::rcvhwm, static_cast<int>(high_water));
  socket.set(zmq::sockopt::linger, 500);
  socket.set(zmq::sockopt::handshake_ivl, 5000);
}

class Reactor : public ZmqTransport {
 public:
  explicit Reactor(std::shared_ptr<ZmqContext> context)
      : context_(std::move(context)),
        wake_in_(context_->context, zmq::socket_type::pair),
        wake_out_(context_->context, zmq::socket_type::pair) {
    const std::string name = "inproc://promptcache-wake-" + std::to_string(NextWakeName());
    wake_in_.set(zmq::sockopt::linger, 0);
    wake_out_.set(zmq::sockopt::linger, 0);
    wake_in_.bind(name);
    wake_out_.connect(name);
  }

  ~Reactor() override { CloseAll(); }

  Result<SocketId> Listen(const ListenOptions& options, MessageHandler handler) override {
    PC_RETURN_IF_ERROR(CheckLocalEndpoint(options.endpoint));
    const std::string what = "cannot listen on " + options.endpoint;
    try {
      auto socket = std::make_unique<Socket>();
      socket->zmq = zmq::socket_t(context_->context, zmq::socket_type::router);
      SetCommonOptions(socket->zmq, options.max_message_bytes, options.high_water_messages);
      socket->zmq.set(zmq::sockopt::router_mandatory, 1);
      socket->zmq.set(zmq::sockopt::backlog, 1024);
      socket->is_router = true;
      socket->zmq.bind(options.endpoint);
      return Adopt(std::move(socket), std::move(handler));
    } catch (const zmq::error_t& error) {
      return FromZmq(error, what);
    }
  }

  Result<std::string> BoundEndpoint(SocketId id) const override {
    const auto found = sockets_.find(id);
    if (found == sockets_.end()) return NotFound("no such socket");
    try {
      return found->second->zmq.get(zmq::sockopt::last_endpoint);
    } catch (const zmq::error_t& error) {
      return FromZmq(error, "bound endpoint");
    }
  }

  Result<SocketId> Connect(const ConnectOptions& options, MessageHandler handler) override {
    PC_RETURN_IF_ERROR(CheckLocalEndpoint(options.endpoint));
    const std::string what = "cannot connect to " + options.endpoint;
    try {
      auto socket = std::make_unique<Socket>();
      socket->zmq = zmq::socket_t(context_->context, zmq::socket_type::dealer);
      SetCommonOptions(socket->zmq, options.max_message_bytes, options.high_water_messages);
      socket->zmq.set(zmq::sockopt::immediate, 1);
      socket->zmq.set(zmq::sockopt::reconnect_ivl, 50);
      socket->zmq.set(zmq::sockopt::reconnect_ivl_max, 1000);
      socket->zmq.connect(options.endpoint);
      return Adopt(std::move(socket), std::move(handler));
    } catch (const zmq::error_t& error) {
      return FromZmq(error, what);
    }
  }

  // The socket may be in use further up the stack (a handler closing its own): it is only marked
  // here and destroyed by the loop.
  void Close(SocketId id) override {
    const auto found = sockets_.find(id);
    if (found == sockets_.end()) return;
    closing_.push_back(std::move(found->second));
    sockets_.erase(found);
  }

  Status Send(SocketId id, PeerId peer, Frames frames) override {
    const auto found = sockets_.find(id);
    if (found == sockets_.end()) return Unavailable("the socket is closed");
    Socket& socket = *found->second;
    try {
      return socket.is_router ? SendRouted(socket, peer, frames) : SendParts(socket, frames);
    } catch (const zmq::error_t& error) {
      if (socket.is_router && error.num() == EHOSTUNREACH) Forget(socket, peer);
      return FromZmq(error, "send");
    }
  }

  TimerId After(milliseconds delay, std::function<void()> function) override {
    return timers_.Add(SystemClock().Now() + delay, std::move(function));
  }
  void CancelTimer(TimerId timer) override { timers_.Cancel(timer); }

  void Post(std::function<void()> function) override {
    std::lock_guard lock(posted_mutex_);
    if (stopped_) return;
    posted_.push_back(std::move(function));
    Wake();
  }

  void Stop() override {
    std::lock_guard lock(posted_mutex_);
    stopped_ = true;
    Wake();
  }

  TransportCounters counters() const override {
    return {bad_frames_.load(), sent_.load(), received_.load()};
  }

  void Run() override {
    while (RunPosted()) {
      timers_.RunDue(SystemClock().Now());
      closing_.clear();
      Poll();
    }
    CloseAll();
  }

 private:
  static uint64_t NextWakeName() {
    static std::atomic<uint64_t> counter{0};
    return ++counter;
  }

  SocketId Adopt(std::unique_ptr<Socket> socket, MessageHandler handler) {
    socket->handler = std::move(handler);
    const SocketId id = ++last_socket_;
    sockets_.emplace(id, std::move(socket));
    return id;
  }

  // REQUIRES: posted_mutex_ is held (it also serializes the use of wake_out_).
  void Wake() {
    try {
      (void)wake_out_.send(zmq::message_t(), zmq::send_flags::dontwait);
    } catch (const zmq::error_t&) {
      // The pipe is full of wake-ups already, or the context ends.
    }
  }

  // False when the transport was stopped.
  bool RunPosted() {
    std::vector<std::function<void()>> batch;
    {
      std::lock_guard lock(posted_mutex_);
      if (stopped_) return false;
      batch.swap(posted_);
    }
    for (auto& function : batch) function();
    return true;
  }

  void Poll() {
    std::vector<zmq::pollitem_t> items = {{wake_in_.handle(), 0, ZMQ_POLLIN, 0}};
    std::vector<SocketId> ids;
    for (const auto& [id, socket] : sockets_) {
      items.push_back({socket->zmq.handle(), 0, ZMQ_POLLIN, 0});
      ids.push_back(id);
    }
    try {
      zmq::poll(items, PollTimeout());
    } catch (const zmq::error_t&) {
      return;  // EINTR
    }
    if ((items[0].revents & ZMQ_POLLIN) != 0) DrainWakeUps();
    for (size_t i = 0; i < ids.size(); ++i) {
      if ((items[i + 1].revents & ZMQ_POLLIN) != 0) Receive(ids[i]);
    }
  }

  milliseconds PollTimeout() const {
    const auto next = timers_.next();
    if (!next) return milliseconds(-1);
    const auto left = *next - SystemClock().Now();
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(left));
  }

  void DrainWakeUps() {
    zmq::message_t message;
    try {
      while (wake_in_.recv(message, zmq::recv_flags::dontwait)) {
      }
    } catch (const zmq::error_t&) {
    }
  }

  void Receive(SocketId id) {
    for (int i = 0; i < kReceiveBurst; ++i) {
      const auto found = sockets_.find(id);
      if (found == sockets_.end()) return;  // a handler closed it
      Socket& socket = *found->second;
      std::vector<zmq::message_t> parts;
      if (!ReceiveParts(socket, parts)) return;
      Dispatch(id, socket, std::move(parts));
    }
  }

  // Reads all parts of one message, so that a bad one is dropped whole. False when there is none.
  bool ReceiveParts(Socket& socket, std::vector<zmq::message_t>& parts) {
    try {
      bool more = true;
      while (more) {
        zmq::message_t part;
        if (!socket.zmq.recv(part, zmq::recv_flags::dontwait)) return false;
        more = part.more();
        if (parts.size() < 4) parts.push_back(std::move(part));
      }
      return true;
    } catch (const zmq::error_t&) {
      return false;
    }
  }

  void Dispatch(SocketId id, Socket& socket, std::vector<zmq::message_t> parts) {
    const size_t first = socket.is_router ? 1 : 0;
    if (parts.size() <= first || parts.size() > first + 2 || parts[first].size() == 0) {
      ++bad_frames_;
      return;
    }
    Incoming incoming{.socket = id};
    if (socket.is_router) {
      const std::optional<PeerId> peer = PeerOf(socket, parts[0].to_string());
      if (!peer) return;
      incoming.peer = *peer;
    }
    incoming.frames.header = ToFrame(std::move(parts[first]));
    if (parts.size() > first + 1) incoming.frames.payload = ToFrame(std::move(parts[first + 1]));
    ++received_;
    const MessageHandler handler = socket.handler;  // survives Close() of its own socket
    handler(std::move(incoming));
  }

  std::optional<PeerId> PeerOf(Socket& socket, const std::string& route) {
    const auto found = socket.peers.find(route);
    if (found != socket.peers.end()) return found->second;
    if (socket.peers.size() >= kMaxPeers) {
      ++bad_frames_;
      return std::nullopt;
    }
    const PeerId peer = ++socket.last_peer;
    socket.peers.emplace(route, peer);
    socket.routes.emplace(peer, route);
    return peer;
  }

  void Forget(Socket& socket, PeerId peer) {
    const auto found = socket.routes.find(peer);
    if (found == socket.routes.end()) return;
    socket.peers.erase(found->second);
    socket.routes.erase(found);
  }

  Status SendRouted(Socket& socket, PeerId peer, const Frames& frames) {
    const auto route = socket.routes.find(peer);
    if (route == socket.routes.end()) return Unavailable("send: the peer is gone");
    zmq::message_t id(route->second.data(), route->second.size());
    if (!socket.zmq.send(id, zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
      return Busy("send: the peer's queue is full");
    }
    return SendParts(socket, frames);
  }

  Status SendParts(Socket& socket, const Frames& frames) {
    const bool has_payload = !frames.payload.empty();
    auto flags = zmq::send_flags::dontwait;
    zmq::message_t header = ToMessage(frames.header);
    if (!socket.zmq.send(header, has_payload ? flags | zmq::send_flags::sndmore : flags)) {
      return socket.is_router ? Busy("send: the peer's queue is full")
                              : Unavailable("send: not connected, or the queue is full");
    }
    if (has_payload) {
      zmq::message_t payload = ToMessage(frames.payload);
      if (!socket.zmq.send(payload, flags)) return Busy("send: the peer's queue is full");
    }
    ++sent_;
    return {};
  }

  void CloseAll() {
    {
      std::lock_guard lock(posted_mutex_);
      stopped_ = true;
      posted_.clear();
    }
    sockets_.clear();
    closing_.clear();
  }

  // Constant after construction.
  const std::shared_ptr<ZmqContext> context_;

  // Owned by the reactor thread.
  zmq::socket_t wake_in_;
  std::map<SocketId, std::unique_ptr<Socket>> sockets_;
  std::vector<std::unique_ptr<Socket>> closing_;
  TimerQueue timers_;
  SocketId last_socket_ = 0;

  // Guarded by posted_mutex_.
  std::mutex posted_mutex_;
  zmq::socket_t wake_out_;
  std::vector<std::function<void()>> posted_;
  bool stopped_ = false;

  // Own synchronization.
  std::atomic<uint64_t> bad_frames_{0};
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> received_{0};
};

}  // namespace

std::shared_ptr<TransportContext> TransportContext::Create() {
  return std::make_shared<ZmqContext>();
}

Result<std::unique_ptr<ZmqTransport>> ZmqTransport::Create(
    std::shared_ptr<TransportContext> context) {
  if (!context) context = TransportContext::Create();
  auto ours = std::dynamic_pointer_cast<ZmqContext>(std::move(context));
  if (!ours) return InvalidArgument("the transport context is not a ZeroMQ context");
  try {
    return std::unique_ptr<ZmqTransport>(std::make_unique<Reactor>(std::move(ours)));
  } catch (const zmq::error_t& error) {
    return FromZmq(error, "cannot create a transport");
  }
}

}  // namespace promptcache
