#include "cluster/client/client_reactor.h"

#include <utility>

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCallTimeout{60'000};
constexpr milliseconds kTick{100};

}  // namespace

ClientReactor::ClientReactor(Transport& transport, const Clock& clock, const ClientOptions& options)
    : transport_(transport),
      clock_(clock),
      requests_(options.connect_timeout),
      link_(transport,
            {.endpoints = options.endpoints,
             .name = options.name,
             .connect_timeout = options.connect_timeout},
            {.on_up = [this](const std::string& endpoint) { LinkUp(endpoint); },
             .on_down = [this](const Status& why) { LinkDown(why); },
             .on_refused = [this](const Status& why) { Settle(why); },
             .on_message = [this](Envelope envelope) { Receive(std::move(envelope)); }}) {}

ClientReactor::~ClientReactor() { transport_.CancelTimer(tick_); }

Status ClientReactor::Start(std::function<void(const Status&)> connected) {
  connected_ = std::move(connected);
  return link_.Start();
}

void ClientReactor::Settle(const Status& status) {
  if (const auto connected = std::exchange(connected_, nullptr)) connected(status);
}

// ---- requests ----

void ClientReactor::Submit(const RequestId& id, const struct Submit& request,
                           const SubmitOptions& options, StreamCallbacks callbacks) {
  streams_.emplace(id, std::move(callbacks));
  Perform(requests_.Start(id, request, options, clock_.Now()));
  if (tick_ == 0) TickLater();
}

void ClientReactor::Cancel(const RequestId& id) { Perform(requests_.Cancel(id, clock_.Now())); }

void ClientReactor::EndAll(const Status& status) {
  Perform(requests_.EndAll(status, clock_.Now()));
  EndCalls(status);
}

void ClientReactor::TickLater() {
  if (requests_.idle()) return;
  tick_ = transport_.After(kTick, [this] {
    tick_ = 0;
    Perform(requests_.Tick(clock_.Now()));
    TickLater();
  });
}

void ClientReactor::Perform(ClientActions actions) {
  for (ClientAction& action : actions) {
    if (const auto* send = std::get_if<ClientSend>(&action)) {
      SendOver(send->envelope);
    } else if (const auto* part = std::get_if<ClientPart>(&action)) {
      ShowPart(*part);
    } else if (auto* end = std::get_if<ClientEnd>(&action)) {
      EndRequest(std::move(end->answer));
    } else if (const auto* leave = std::get_if<LeaveLink>(&action)) {
      link_.Leave(leave->why);
    }
  }
}

void ClientReactor::SendOver(const Envelope& envelope) {
  const Status sent = link_.Send(envelope);
  if (!sent.ok()) Perform(requests_.SendFailed(envelope, sent, clock_.Now()));
}

void ClientReactor::ShowPart(const ClientPart& part) {
  const PartialCallback& on_partial = streams_.at(part.request).on_partial;
  if (on_partial) on_partial(part.partial);
}

void ClientReactor::EndRequest(Answer answer) {
  const FinalCallback on_final = std::move(streams_.extract(answer.request_id).mapped().on_final);
  if (on_final) on_final(std::move(answer));
}

// ---- the link ----

void ClientReactor::LinkUp(const std::string& endpoint) {
  Settle({});
  Perform(requests_.LinkUp(++last_link_, endpoint, clock_.Now()));
}

void ClientReactor::LinkDown(const Status& why) {
  last_loss_ = why.message();
  Perform(requests_.LinkDown(why, clock_.Now()));
  EndCalls(IsRetryable(why.code()) ? Unavailable("the coordinator was lost: " + why.message())
                                   : why);
}

void ClientReactor::Receive(Envelope envelope) {
  if (calls_.contains(envelope.request_id)) {
    return Complete(envelope.request_id, std::move(envelope.body));
  }
  Perform(requests_.Received(last_link_, std::move(envelope), clock_.Now()));
}

// ---- calls ----

void ClientReactor::Call(const RequestId& id, Message request, CallCallback callback) {
  if (calls_.contains(id)) return callback(AlreadyExists("another call has this id"));
  const Status sent = link_.Send({.request_id = id,
                                  .timeout_ms = static_cast<uint64_t>(kCallTimeout.count()),
                                  .body = std::move(request)});
  if (!sent.ok()) return callback(sent.WithContext("not sent"));
  const TimerId timeout = transport_.After(kCallTimeout, [this, id] {
    Complete(id, DeadlineExceeded("the coordinator does not answer"));
  });
  calls_.emplace(id, PendingCall{std::move(callback), timeout});
}

void ClientReactor::EndCalls(const Status& status) {
  while (!calls_.empty()) Complete(calls_.begin()->first, status);
}

void ClientReactor::Complete(const RequestId& id, Result<Message> message) {
  auto entry = calls_.extract(id);
  if (entry.empty()) return;
  transport_.CancelTimer(entry.mapped().timeout);
  entry.mapped().callback(std::move(message));
}

}  // namespace promptcache
