#include "cluster/client/failover_link.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kMaxMessageBytes = uint64_t{96} << 20;
// Between attempts at one coordinator after the other: one more each time, up to the last.
constexpr milliseconds kFailoverStep{50};
constexpr milliseconds kFailoverMax{2'000};
constexpr milliseconds kShortestAttempt{100};

}  // namespace

FailoverLink::FailoverLink(Transport& transport, FailoverLinkOptions options,
                           FailoverLinkEvents events)
    : transport_(transport), options_(std::move(options)), events_(std::move(events)) {}

FailoverLink::~FailoverLink() { transport_.CancelTimer(timer_); }

Status FailoverLink::Start() { return OpenNext(); }

Status FailoverLink::Send(const Envelope& envelope) { return connection_->Send(envelope); }

Status FailoverLink::OpenNext() {
  const std::string& endpoint = options_.endpoints[next_endpoint_++ % options_.endpoints.size()];
  ConnectionOptions options;
  options.connect = {.endpoint = endpoint, .max_message_bytes = kMaxMessageBytes};
  options.hello = {.role = PeerRole::kClient, .name = options_.name};
  const milliseconds turn =
      options_.connect_timeout / static_cast<int64_t>(options_.endpoints.size() + 1);
  options.lease = std::clamp(turn, kShortestAttempt, options.lease);
  connection_ = std::make_unique<Connection>(
      transport_, options,
      ConnectionEvents{
          .on_up = [this, &endpoint](const HelloAck& /*ack*/) { events_.on_up(endpoint); },
          .on_down =
              [this](const Status& why) {
                Down(why);
                // The only one: the connection tries it again by itself.
                if (options_.endpoints.size() > 1) OpenNextLater();
              },
          .on_message =
              [this](Envelope envelope, const Frame& /*payload*/) {
                failures_ = 0;
                events_.on_message(std::move(envelope));
              }});
  return connection_->Start();
}

void FailoverLink::Leave(const Status& why) {
  Down(why);
  OpenNextLater();
}

void FailoverLink::Down(const Status& why) {
  ++failures_;
  if (!IsRetryable(why.code()) && failures_ >= options_.endpoints.size()) events_.on_refused(why);
  events_.on_down(why);
}

void FailoverLink::OpenNextLater() {
  connection_->Stop();
  const milliseconds delay = std::min(failures_ * kFailoverStep, kFailoverMax);
  timer_ = transport_.After(delay, [this] {
    if (OpenNext().ok()) return;
    ++failures_;
    OpenNextLater();
  });
}

}  // namespace promptcache
