#include "cluster/transport/zmq_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "cluster/transport/zap_handler.h"
#include "cluster/transport/zmq_message.h"

namespace promptcache {
namespace {

constexpr int kHandshakeMs = 3'000;
constexpr int kReconnectMs = 50;
constexpr int kReconnectMaxMs = 2'000;
constexpr int kBacklog = 1'024;
// Of dead tcp connections only; links have heartbeats of their own.
constexpr int kHeartbeatMs = 5'000;
constexpr int kHeartbeatTimeoutMs = 15'000;
constexpr int kHeartbeatTtlMs = 30'000;
constexpr int kHandshakeFailures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr size_t kRouteBytes = 5;  // a zero byte and 32 bits, as ROUTER assigns them

std::string ErrorText(int error) { return zmq_strerror(error); }

std::array<uint8_t, kRouteBytes> RouteOf(PeerId peer) {
  const uint64_t number = peer - 1;
  return {0, static_cast<uint8_t>(number >> 24), static_cast<uint8_t>(number >> 16),
          static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
}

// ZeroMQ would take a living listener's path away from it.
bool SomebodyListens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool connected =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

}  // namespace

ZmqSocket::ZmqSocket(std::shared_ptr<TransportContext> context, Kind kind, Endpoint endpoint,
                     const SocketOptions& options)
    : context_(std::move(context)),
      kind_(kind),
      options_(options),
      endpoint_(std::move(endpoint.address)),
      server_key_(endpoint.server_key),
      is_inproc_(endpoint.kind == EndpointKind::kInproc),
      has_keys_(options.security->own.has_value() && !is_inproc_) {}

ZmqSocket::~ZmqSocket() { Close(); }

Result<std::unique_ptr<ZmqSocket>> ZmqSocket::Listen(std::shared_ptr<TransportContext> context,
                                                     const std::string& endpoint,
                                                     const SocketOptions& options) {
  PC_ASSIGN_OR_RETURN(Endpoint parsed,
                      ParseEndpointFor(*options.security, endpoint, EndpointUse::kListen));
  std::unique_ptr<ZmqSocket> socket(
      new ZmqSocket(std::move(context), Kind::kRouter, std::move(parsed), options));
  if (socket->has_keys_ && options.keys == nullptr) {
    return InvalidArgument("cannot listen on '" + endpoint +
                           "': the list of the keys to let in is missing; set security.keys");
  }
  PC_RETURN_IF_ERROR(socket->Open());
  PC_RETURN_IF_ERROR(socket->Bind());
  return socket;
}

Result<std::unique_ptr<ZmqSocket>> ZmqSocket::Connect(std::shared_ptr<TransportContext> context,
                                                      const std::string& endpoint,
                                                      const SocketOptions& options) {
  PC_ASSIGN_OR_RETURN(Endpoint parsed,
                      ParseEndpointFor(*options.security, endpoint, EndpointUse::kConnect));
  std::unique_ptr<ZmqSocket> socket(
      new ZmqSocket(std::move(context), Kind::kDealer, std::move(parsed), options));
  PC_RETURN_IF_ERROR(socket->Open());
  PC_RETURN_IF_ERROR(socket->StartConnecting());
  return socket;
}

Status ZmqSocket::Open() {
  socket_ =
      zmq_socket(context_->impl().context(), kind_ == Kind::kRouter ? ZMQ_ROUTER : ZMQ_DEALER);
  if (socket_ == nullptr) {
    return Unavailable("cannot open a socket: " + ErrorText(errno) +
                       "; raise the limit of open files (ulimit -n)");
  }
  const auto max_bytes = static_cast<int64_t>(options_.max_message_bytes);
  bool ok = zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &max_bytes, sizeof(max_bytes)) == 0;
  const auto set = [&](int option, int value) {
    ok = ok && zmq_setsockopt(socket_, option, &value, sizeof(value)) == 0;
  };
  set(ZMQ_SNDHWM, static_cast<int>(options_.high_water_messages));
  set(ZMQ_RCVHWM, static_cast<int>(options_.unread_messages));
  set(ZMQ_LINGER, static_cast<int>(options_.linger.count()));
  set(ZMQ_HANDSHAKE_IVL, kHandshakeMs);
  set(ZMQ_HEARTBEAT_IVL, kHeartbeatMs);
  set(ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeoutMs);
  set(ZMQ_HEARTBEAT_TTL, kHeartbeatTtlMs);
  if (kind_ == Kind::kRouter) {
    set(ZMQ_ROUTER_MANDATORY, 1);
    set(ZMQ_BACKLOG, kBacklog);
  } else {
    set(ZMQ_IMMEDIATE, 1);
    set(ZMQ_RECONNECT_IVL, kReconnectMs);
    set(ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMs);
  }
  ok = ok && (!has_keys_ || SetKeys());
  if (!ok) return InvalidArgument("endpoint '" + endpoint_ + "': " + ErrorText(errno));
  return {};
}

bool ZmqSocket::SetKeys() {
  const CurveSecretKey& own = options_.security->own->secret;
  const auto set = [&](int option, std::span<const uint8_t> bytes) {
    return zmq_setsockopt(socket_, option, bytes.data(), bytes.size()) == 0;
  };
  if (!set(ZMQ_CURVE_SECRETKEY, own.bytes())) return false;
  if (kind_ == Kind::kDealer) {
    return set(ZMQ_CURVE_PUBLICKEY, own.public_key().bytes) &&
           set(ZMQ_CURVE_SERVERKEY, server_key_->bytes);
  }
  const int on = 1;
  return zmq_setsockopt(socket_, ZMQ_CURVE_SERVER, &on, sizeof(on)) == 0 &&
         zmq_setsockopt(socket_, ZMQ_ZAP_DOMAIN, kZapDomain, std::strlen(kZapDomain)) == 0;
}

std::string ZmqSocket::endpoint() const {
  if (!has_keys_ || kind_ == Kind::kDealer) return endpoint_;
  return endpoint_ + "#" + ToZ85(options_.security->own->secret.public_key());
}

Status ZmqSocket::Bind() {
  if (endpoint_.starts_with("ipc://") && SomebodyListens(endpoint_.substr(6))) {
    return Unavailable("cannot listen on '" + endpoint_ + "': another process does");
  }
  if (!is_inproc_) PC_RETURN_IF_ERROR(WatchConnection());
  if (zmq_bind(socket_, endpoint_.c_str()) != 0) {
    const int error = errno;
    const std::string text = "cannot listen on '" + endpoint_ + "': " + ErrorText(error);
    if (error == EADDRINUSE) return Unavailable(text);
    return InvalidArgument(text);
  }
  if (is_inproc_) {
    context_->impl().AddInproc(endpoint_);
    return {};
  }
  std::array<char, 512> bound{};
  size_t size = bound.size();
  if (zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, bound.data(), &size) != 0) {
    return Internal("endpoint '" + endpoint_ + "': " + ErrorText(errno));
  }
  endpoint_ = bound.data();
  return {};
}

Status ZmqSocket::StartConnecting() {
  if (is_inproc_) {
    inproc_generation_ = context_->impl().InprocGeneration(endpoint_);
  } else {
    PC_RETURN_IF_ERROR(WatchConnection());
  }
  if (zmq_connect(socket_, endpoint_.c_str()) != 0) {
    return InvalidArgument("cannot connect to '" + endpoint_ + "': " + ErrorText(errno));
  }
  return {};
}

Status ZmqSocket::WatchConnection() {
  const int events =
      kHandshakeFailures |
      (kind_ == Kind::kDealer ? ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED : 0);
  PC_RETURN_IF_ERROR(monitor_.Open(context_->impl().context(), socket_, events)
                         .WithContext("endpoint '" + endpoint_ + "'"));
  DrainMonitor();  // its descriptor tells of nothing before it was looked for
  return {};
}

void ZmqSocket::DrainMonitor() {
  monitor_.Drain([this](int event) { HandleEvent(event); });
}

void ZmqSocket::HandleEvent(int type) {
  if (kind_ == Kind::kRouter) {
    // Keys that are not on the allowlist are counted where they are looked up.
    if (type != ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) ++failed_handshakes_;
    return;
  }
  is_connected_ = type == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  if (is_connected_) handshake_failure_.clear();
  broke_off_ = !is_connected_ && (broke_off_ || type == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
  if (type == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
    handshake_failure_ =
        "does not let this key in: let `promptcache keys allow` put it on the listener's list";
  }
  if (type == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
    handshake_failure_ =
        has_keys_ ? "does not prove to have the key that is written behind the endpoint"
                  : "does not speak plainly: set security.own_key and write #KEY behind the "
                    "endpoint";
  }
}

Status ZmqSocket::CheckSizes(const Frames& frames) const {
  if (frames.header.empty()) return InvalidArgument("a message needs a header");
  const uint64_t largest = std::max(frames.header.size(), frames.payload.size());
  if (largest > options_.max_message_bytes) {
    return ResourceExhausted("a frame of " + std::to_string(largest) + " bytes is over the limit " +
                             std::to_string(options_.max_message_bytes) + " of '" + endpoint_ +
                             "'");
  }
  return {};
}

Status ZmqSocket::CheckInprocPeer() {
  if (!is_inproc_ || kind_ == Kind::kRouter) return {};
  const uint64_t generation = context_->impl().InprocGeneration(endpoint_);
  if (generation != 0 && inproc_generation_ == 0) inproc_generation_ = generation;
  if (generation == 0 || generation != inproc_generation_) {
    return Unavailable("'" + endpoint_ + "' is not connected");
  }
  return {};
}

Status ZmqSocket::WhyNotSent(int error) {
  if (error == EHOSTUNREACH) return Unavailable("the peer of '" + endpoint_ + "' is gone");
  if (error != EAGAIN) return Unavailable("'" + endpoint_ + "': " + ErrorText(error));
  DrainMonitor();
  if (kind_ == Kind::kDealer && !is_inproc_ && !is_connected_) {
    if (!handshake_failure_.empty()) {
      return FailedPrecondition("'" + endpoint_ + "' " + handshake_failure_);
    }
    // Of two ends that are not meant for each other, one closes before the other has seen why.
    return Unavailable(
        "'" + endpoint_ + "' is not connected" +
        (broke_off_ ? ": it broke a handshake off, as one does that has no keys, or others" : ""));
  }
  return Busy("the queue to '" + endpoint_ + "' is full");
}

Status ZmqSocket::Send(PeerId peer, Frames frames) {
  if (socket_ == nullptr) return Unavailable("the socket is closed");
  PC_RETURN_IF_ERROR(CheckSizes(frames));
  PC_RETURN_IF_ERROR(CheckInprocPeer());
  if (kind_ == Kind::kRouter) {
    if (peer == 0 || peer > (uint64_t{1} << 32)) {
      return Unavailable("'" + endpoint_ + "' has no such peer");
    }
    const auto route = RouteOf(peer);
    if (zmq_send(socket_, route.data(), route.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
      return WhyNotSent(errno);
    }
  }
  const int more = frames.payload.empty() ? 0 : ZMQ_SNDMORE;
  if (SendPart(socket_, frames.header, more) < 0) return WhyNotSent(errno);
  // The parts of one message share one fate: what could go wrong did with the first.
  if (more != 0 && SendPart(socket_, frames.payload, 0) < 0) return WhyNotSent(errno);
  return {};
}

bool ZmqSocket::ReceiveRoute(PeerId* peer, bool* more, bool* bad) {
  *peer = 0;
  if (kind_ == Kind::kDealer) return true;
  ZmqPart route;
  if (!route.Receive(socket_)) return false;
  *more = route.more();
  const auto bytes = route.bytes();
  // A peer that names itself could be taken for another: only names of ours are served.
  if (bytes.size() != kRouteBytes || bytes[0] != 0) {
    *bad = true;
    return true;
  }
  *peer = ((uint64_t{bytes[1]} << 24) | (uint64_t{bytes[2]} << 16) | (uint64_t{bytes[3]} << 8) |
           uint64_t{bytes[4]}) +
          1;
  return true;
}

ZmqSocket::Received ZmqSocket::Receive(Incoming* out) {
  if (socket_ == nullptr) return Received::kNothing;
  bool more = true;
  bool bad = false;
  if (!ReceiveRoute(&out->peer, &more, &bad)) return Received::kNothing;
  size_t count = 0;
  while (more) {
    auto part = std::make_shared<ZmqPart>();
    if (!part->Receive(socket_)) {
      return count == 0 && kind_ == Kind::kDealer ? Received::kNothing : Received::kBad;
    }
    more = part->more();
    const auto bytes = part->bytes();
    bad = bad || bytes.size() > options_.max_message_bytes || (count == 0 && bytes.empty());
    if (count == 0) {
      // ZeroMQ lets in whom nobody was asked about: such a message has no user, and no key is his.
      if (NeedsKey()) out->key = options_.keys->Find(part->user_id());
      out->frames.header = Frame::Share(part, bytes);
    }
    if (count == 1) out->frames.payload = Frame::Share(part, bytes);
    ++count;
  }
  if (bad || count == 0 || count > 2) return Received::kBad;
  return NeedsKey() && out->key == nullptr ? Received::kRevoked : Received::kMessage;
}

void ZmqSocket::Close() {
  if (socket_ == nullptr) return;
  if (is_inproc_ && kind_ == Kind::kRouter) context_->impl().RemoveInproc(endpoint_);
  monitor_.Close();
  zmq_close(socket_);
  socket_ = nullptr;
}

}  // namespace promptcache
