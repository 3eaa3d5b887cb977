#include "cluster/client/request_table.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "cluster/wire/traceparent.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

// Longer ones would leave the range of the clock.
constexpr milliseconds kLongestTime{std::chrono::hours(24 * 365)};
constexpr size_t kMaxOwedCancels = 65'536;
constexpr uint32_t kLastAttempt = std::numeric_limits<uint32_t>::max() - (kAttemptsPerSend - 1);

Status StatusOf(Code code, std::string message) {
  return code == Code::kOk ? Status() : Status(code, std::move(message));
}

Status Validate(const Submit& submit, const SubmitOptions& options) {
  PC_RETURN_IF_ERROR(submit.options.Validate());
  return options.trace.empty() ? Status() : CheckTraceparent(options.trace);
}

// At least 1: 0 would leave the deadline to the coordinator.
uint64_t MillisecondsUntil(SteadyTime deadline, SteadyTime now) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - now);
  return static_cast<uint64_t>(std::max<int64_t>(1, left.count()));
}

uint64_t TokensOf(const Answer& answer) {
  uint64_t tokens = 0;
  for (const SampleAnswer& sample : answer.samples) tokens += sample.tokens.size();
  return tokens;
}

void Append(Partial partial, SampleAnswer& sample) {
  sample.tokens.insert(sample.tokens.end(), partial.tokens.begin(), partial.tokens.end());
  sample.text += partial.text;
  std::move(partial.logprobs.begin(), partial.logprobs.end(), std::back_inserter(sample.logprobs));
}

}  // namespace

// ---- the caller ----

ClientActions RequestTable::Start(const RequestId& id, Submit submit, const SubmitOptions& options,
                                  SteadyTime now) {
  ClientActions actions;
  submit.tried.clear();
  submit.delivered = {};
  submit.version.clear();
  const auto deadline = now + std::clamp(options.deadline, milliseconds(1), kLongestTime);
  const auto entry =
      requests_
          .emplace(id, Request{.number = ++last_number_,
                               .submit = std::move(submit),
                               .trace = options.trace.empty() ? TraceparentOf(id) : options.trace,
                               .start = now,
                               .deadline = deadline,
                               .unreachable_since = now})
          .first;
  Request& request = entry->second;
  request.answer.request_id = id;
  if (const Status valid = Validate(request.submit, options); !valid.ok()) {
    End(entry, valid, now, actions);
    return actions;
  }
  request.answer.samples.resize(request.submit.options.samples);
  if (link_ != 0) Send(entry, now, actions);
  return actions;
}

ClientActions RequestTable::Cancel(const RequestId& id, SteadyTime now) {
  ClientActions actions;
  const auto entry = requests_.find(id);
  if (entry == requests_.end()) return actions;
  if (!entry->second.sent) {
    End(entry, Cancelled("cancelled; no coordinator had the request"), now, actions);
  } else if (!std::exchange(entry->second.cancelled, true)) {
    actions.emplace_back(ClientSend{MessageOf(entry, promptcache::Cancel{})});
  }
  return actions;
}

ClientActions RequestTable::EndAll(const Status& status, SteadyTime now) {
  ClientActions actions;
  for (const Entry entry : InOrder()) Abandon(entry, status, now, actions);
  return actions;
}

// ---- the link ----

ClientActions RequestTable::LinkUp(LinkId link, const std::string& endpoint, SteadyTime now) {
  ClientActions actions;
  link_ = link;
  endpoint_ = endpoint;
  for (const Entry entry : InOrder()) Send(entry, now, actions);
  return actions;
}

ClientActions RequestTable::LinkDown(const Status& why, SteadyTime now) {
  ClientActions actions;
  LoseLink(why, now, actions);
  return actions;
}

void RequestTable::LoseLink(const Status& why, SteadyTime now, ClientActions& actions) {
  down_ = why;
  if (std::exchange(link_, 0) == 0) return;
  owed_cancels_.clear();  // the coordinator ends what the client had there
  for (const Entry entry : InOrder()) {
    Request& request = entry->second;
    request.unreachable_since = now;
    if (std::exchange(request.sent, false)) LoseSent(entry, endpoint_, now, actions);
  }
}

void RequestTable::LoseSent(Entry entry, const std::string& endpoint, SteadyTime now,
                            ClientActions& actions) {
  Request& request = entry->second;
  if (request.cancelled) {
    return End(entry, Cancelled("cancelled; the coordinator was lost"), now, actions);
  }
  if (request.attempt == kLastAttempt) {
    return End(
        entry,
        Unavailable("as many coordinators were lost under the request as it may be given to"), now,
        actions);
  }
  request.attempt += kAttemptsPerSend;
  std::vector<std::string>& tried = request.submit.tried;
  if (std::find(tried.begin(), tried.end(), endpoint) == tried.end()) tried.push_back(endpoint);
}

void RequestTable::Send(Entry entry, SteadyTime now, ClientActions& actions) {
  Request& request = entry->second;
  request.sent = true;
  Submit submit = request.submit;
  submit.delivered.parts = request.next_seq;
  if (request.next_seq > 0) {
    for (const SampleAnswer& sample : request.answer.samples) {
      submit.delivered.samples.push_back(sample.tokens);
    }
  }
  Envelope envelope = MessageOf(entry, std::move(submit));
  envelope.attempt = request.attempt;
  envelope.timeout_ms = MillisecondsUntil(request.deadline, now);
  actions.emplace_back(ClientSend{std::move(envelope)});
}

ClientActions RequestTable::SendFailed(const Envelope& envelope, const Status& why,
                                       SteadyTime now) {
  ClientActions actions;
  const bool cancels = std::holds_alternative<promptcache::Cancel>(envelope.body);
  if (cancels && why.code() == Code::kBusy && owed_cancels_.size() < kMaxOwedCancels) {
    owed_cancels_.emplace(envelope.request_id, envelope);
    return actions;
  }
  const auto entry = requests_.find(envelope.request_id);
  if (entry == requests_.end()) return actions;
  Request& request = entry->second;
  request.sent = false;
  if (cancels) {
    End(entry, Cancelled("cancelled; the coordinator was not reachable"), now, actions);
  } else if (why.code() != Code::kUnavailable &&
             (why.code() != Code::kBusy || request.attempt == 0)) {
    End(entry, why.WithContext("not sent"), now, actions);
  }
  return actions;  // else the next link or tick sends it: it was taken on before
}

// ---- answers ----

ClientActions RequestTable::Received(LinkId link, Envelope envelope, SteadyTime now) {
  ClientActions actions;
  const auto entry = requests_.find(envelope.request_id);
  if (link != link_ || entry == requests_.end() || !entry->second.sent) {
    ++unexpected_;
  } else if (auto* accepted = std::get_if<Accepted>(&envelope.body)) {
    entry->second.answer.schema = std::move(accepted->schema);
    entry->second.submit.version = accepted->version;
    entry->second.answer.version = std::move(accepted->version);
  } else if (auto* partial = std::get_if<Partial>(&envelope.body)) {
    ReceivedPartial(entry, std::move(*partial), now, actions);
  } else if (auto* final = std::get_if<Final>(&envelope.body)) {
    ReceivedFinal(entry, std::move(*final), now, actions);
  } else if (auto* reply = std::get_if<Reply>(&envelope.body); reply && reply->code != Code::kOk) {
    End(entry, Status(reply->code, std::move(reply->message)), now, actions);
  } else {
    Abandon(entry, Unavailable("the coordinator gave an answer of another kind"), now, actions);
  }
  return actions;
}

void RequestTable::ReceivedPartial(Entry entry, Partial partial, SteadyTime now,
                                   ClientActions& actions) {
  Request& request = entry->second;
  Answer& answer = request.answer;
  if (partial.seq < request.next_seq) return;  // shown already
  if (partial.seq > request.next_seq) return PartsWereLost(entry, now, actions);
  if (partial.sample >= answer.samples.size()) {
    return Abandon(entry,
                   Unavailable("a part came of sample " + std::to_string(partial.sample) +
                               ", which was not asked for"),
                   now, actions);
  }
  ++request.next_seq;
  if (answer.client_ttft_ms == 0 && !partial.tokens.empty()) {
    answer.client_ttft_ms = MillisecondsBetween(request.start, now);
  }
  Append(partial, answer.samples[partial.sample]);
  actions.emplace_back(ClientPart{entry->first, std::move(partial)});
}

void RequestTable::ReceivedFinal(Entry entry, Final final, SteadyTime now, ClientActions& actions) {
  Answer& answer = entry->second.answer;
  if (final.code == Code::kOk && final.usage.generated_tokens > TokensOf(answer)) {
    return PartsWereLost(entry, now, actions);
  }
  if (final.code == Code::kBusy) {
    const auto longest = static_cast<uint64_t>(kLongestTime.count());
    answer.retry_after = milliseconds(std::min(final.retry_after_ms, longest));
  }
  answer.usage = std::move(final.usage);
  End(entry, StatusOf(final.code, std::move(final.message)), now, actions);
}

void RequestTable::PartsWereLost(Entry entry, SteadyTime now, ClientActions& actions) {
  if (++entry->second.gaps > kMaxGaps) {
    return Abandon(entry,
                   Unavailable("parts of the answer were lost " + std::to_string(kMaxGaps + 1) +
                               " times, the last time on the way from '" + endpoint_ + "'"),
                   now, actions);
  }
  const Status why = DataLoss("'" + endpoint_ + "' left out a part of an answer");
  LoseLink(why, now, actions);
  actions.emplace_back(LeaveLink{why});
}

// ---- time ----

ClientActions RequestTable::Tick(SteadyTime now) {
  ClientActions actions;
  for (const auto& [id, cancel] : std::exchange(owed_cancels_, {})) {
    actions.emplace_back(ClientSend{cancel});
  }
  for (const Entry entry : InOrder()) TickOne(entry, now, actions);
  return actions;
}

void RequestTable::TickOne(Entry entry, SteadyTime now, ClientActions& actions) {
  const Request& request = entry->second;
  if (now >= request.deadline + kDeadlineGrace) {
    const Status late = request.cancelled
                            ? Cancelled("cancelled; the coordinator did not say so in time")
                            : DeadlineExceeded("no answer came before the deadline");
    return Abandon(entry, late, now, actions);
  }
  if (link_ != 0) {
    if (!request.sent) Send(entry, now, actions);
  } else if (now - request.unreachable_since >= reach_timeout_) {
    End(entry,
        Unavailable("no coordinator was reachable for " + std::to_string(reach_timeout_.count()) +
                    " ms: " + down_.message()),
        now, actions);
  }
}

// ---- common ----

Envelope RequestTable::MessageOf(Entry entry, Message body) {
  return {.request_id = entry->first, .trace = entry->second.trace, .body = std::move(body)};
}

std::vector<RequestTable::Entry> RequestTable::InOrder() {
  std::vector<Entry> entries;
  for (auto entry = requests_.begin(); entry != requests_.end(); ++entry) entries.push_back(entry);
  std::sort(entries.begin(), entries.end(),
            [](Entry a, Entry b) { return a->second.number < b->second.number; });
  return entries;
}

void RequestTable::Abandon(Entry entry, const Status& status, SteadyTime now,
                           ClientActions& actions) {
  if (entry->second.sent) {
    actions.emplace_back(ClientSend{MessageOf(entry, promptcache::Cancel{})});
  }
  End(entry, status, now, actions);
}

void RequestTable::End(Entry entry, const Status& status, SteadyTime now, ClientActions& actions) {
  Answer& answer = entry->second.answer;
  answer.status = status;
  answer.client_total_ms = MillisecondsBetween(entry->second.start, now);
  actions.emplace_back(ClientEnd{std::move(answer)});
  requests_.erase(entry);
}

}  // namespace promptcache
