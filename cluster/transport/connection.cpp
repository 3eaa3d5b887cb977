#include "cluster/transport/connection.h"

#include <algorithm>
#include <utility>

#include "cluster/wire/codec.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

// How often a greeting is tried again while the transport is still connecting.
constexpr milliseconds kGreetingRetry{20};

// What a peer may ask for.
constexpr milliseconds kShortestHeartbeat{10};
constexpr milliseconds kLongestLease{600'000};

// A refusal or a complaint about the link itself rather than about one request.
bool IsAboutTheLink(const Envelope& envelope) {
  return envelope.request_id.is_zero() && std::holds_alternative<Reply>(envelope.body);
}

Status StatusOf(const Reply& reply) {
  if (reply.code == Code::kOk) return Internal("the peer ended the connection");
  return Status(reply.code, reply.message);
}

}  // namespace

Connection::Connection(Transport& transport, ConnectionOptions options, ConnectionEvents events)
    : transport_(transport),
      options_(std::move(options)),
      events_(std::make_shared<const ConnectionEvents>(std::move(events))),
      backoff_(options_.min_backoff),
      jitter_(std::hash<RequestId>()(RequestId::Random())) {}

Connection::~Connection() { Stop(); }

Status Connection::Start() { return Open(); }

void Connection::Stop() {
  CloseSocket();
  state_ = State::kStopped;
}

void Connection::CloseSocket() {
  transport_.CancelTimer(std::exchange(timer_, 0));
  if (socket_ != 0) transport_.Close(std::exchange(socket_, 0));
}

Status Connection::Open() {
  auto socket =
      transport_.Connect(options_.connect, [this](Incoming in) { Handle(std::move(in)); });
  if (!socket.ok()) return socket.status();
  socket_ = *socket;
  state_ = State::kGreeting;
  greeted_ = false;
  silent_ = milliseconds(0);
  heartbeat_ = options_.heartbeat;
  lease_ = options_.lease;
  max_frame_bytes_ = 0;
  Greet();
  return {};
}

Hello Connection::Greeting() const {
  Hello hello = options_.hello;
  const KeyOwner* const self = transport_.self();
  if (self != nullptr && !options_.connect.endpoint.starts_with("inproc://")) {
    hello.role = self->role;
    hello.name = self->name;
  }
  return hello;
}

void Connection::Greet() {
  Status sent;
  if (!greeted_) {
    sent = SendNow(Greeting());
    greeted_ = sent.ok();
    if (sent.code() == Code::kFailedPrecondition) {
      backoff_ = options_.max_backoff;  // keys do not change by themselves
      return GoDown(sent);
    }
  }
  if (silent_ >= lease_) {
    const std::string why = sent.ok() ? "" : ": " + sent.message();
    return GoDown(Unavailable("'" + options_.connect.endpoint + "' does not answer" + why));
  }
  silent_ += kGreetingRetry;
  timer_ = transport_.After(kGreetingRetry, [this] { Greet(); });
}

Status Connection::SendNow(const Message& message) {
  return transport_.Send(socket_, 0, {.header = Frame::Own(EncodeEnvelope({.body = message}))});
}

Status Connection::Send(const Envelope& envelope, Frame payload) {
  if (!up()) return Unavailable("'" + options_.connect.endpoint + "' is not connected");
  Frame header = Frame::Own(EncodeEnvelope(envelope));
  const uint64_t largest = std::max(header.size(), payload.size());
  if (max_frame_bytes_ != 0 && largest > max_frame_bytes_) {
    return ResourceExhausted("a message of " + std::to_string(largest) +
                             " bytes is over the limit of " + std::to_string(max_frame_bytes_) +
                             " of '" + options_.connect.endpoint + "'");
  }
  return transport_.Send(socket_, 0, {.header = std::move(header), .payload = std::move(payload)});
}

void Connection::Tick() {
  // Not sooner: a peer that greets and then drops this side would be asked again and again.
  lived_ += heartbeat_;
  if (lived_ >= lease_) backoff_ = options_.min_backoff;
  silent_ = heard_ ? milliseconds(0) : silent_ + heartbeat_;
  heard_ = false;
  if (silent_ >= lease_) {
    return GoDown(Unavailable("'" + options_.connect.endpoint + "' was silent for " +
                              std::to_string(silent_.count()) + " ms"));
  }
  const Status sent = SendNow(Ping{});
  if (sent.code() == Code::kUnavailable) return GoDown(sent);
  timer_ = transport_.After(heartbeat_, [this] { Tick(); });
}

void Connection::Handle(Incoming incoming) {
  auto envelope = DecodeEnvelope(incoming.frames.header.bytes());
  if (!envelope.ok()) {
    ++bad_messages_;
    return GoDown(envelope.status().WithContext("'" + options_.connect.endpoint + "'"));
  }
  heard_ = true;
  if (state_ == State::kGreeting) return HandleGreeting(*envelope);
  if (state_ == State::kUp) HandleUp(std::move(*envelope), std::move(incoming.frames.payload));
}

void Connection::HandleGreeting(const Envelope& envelope) {
  if (IsAboutTheLink(envelope)) {
    backoff_ = options_.max_backoff;  // asking again at once would be refused again
    return GoDown(StatusOf(std::get<Reply>(envelope.body))
                      .WithContext("'" + options_.connect.endpoint + "' refused"));
  }
  const auto* ack = std::get_if<HelloAck>(&envelope.body);
  if (ack == nullptr) return;  // left over from an earlier link
  if (ack->version < options_.hello.min_version || ack->version > options_.hello.max_version) {
    return GoDown(FailedPrecondition("'" + options_.connect.endpoint + "' chose version " +
                                     std::to_string(ack->version)));
  }
  state_ = State::kUp;
  silent_ = milliseconds(0);
  lived_ = milliseconds(0);
  heartbeat_ = std::clamp(milliseconds(ack->heartbeat_ms), kShortestHeartbeat, kLongestLease / 2);
  lease_ = std::clamp(milliseconds(ack->lease_ms), 2 * heartbeat_, kLongestLease);
  max_frame_bytes_ = ack->max_frame_bytes;
  transport_.CancelTimer(timer_);
  timer_ = transport_.After(heartbeat_, [this] { Tick(); });
  const auto events = events_;
  if (events->on_up) events->on_up(*ack);
}

void Connection::HandleUp(Envelope envelope, Frame payload) {
  if (IsAboutTheLink(envelope)) return GoDown(StatusOf(std::get<Reply>(envelope.body)));
  if (std::holds_alternative<Ping>(envelope.body)) {
    (void)SendNow(Pong{});  // lost pongs are what leases are for
    return;
  }
  if (std::holds_alternative<Pong>(envelope.body)) return;
  if (std::holds_alternative<HelloAck>(envelope.body)) return;
  const auto events = events_;
  if (events->on_message) events->on_message(std::move(envelope), std::move(payload));
}

milliseconds Connection::NextBackoff() {
  const milliseconds base = backoff_;
  backoff_ = std::min(backoff_ * 2, options_.max_backoff);
  jitter_ = jitter_ * 6364136223846793005ULL + 1442695040888963407ULL;
  const auto quarter = static_cast<uint64_t>(base.count() / 4 + 1);
  return base - milliseconds((jitter_ >> 33) % quarter);
}

void Connection::GoDown(Status why) {
  CloseSocket();
  state_ = State::kWaiting;
  timer_ = transport_.After(NextBackoff(), [this] {
    // The endpoint was accepted before: what fails now may work later.
    if (const Status opened = Open(); !opened.ok()) GoDown(opened);
  });
  const auto events = events_;
  if (events->on_down) events->on_down(why);
}

}  // namespace promptcache
