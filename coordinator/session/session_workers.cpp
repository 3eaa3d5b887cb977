// What workers say, and what is known of requests that another coordinator had.
#include <algorithm>
#include <utility>

#include "common/text/utf8.h"
#include "coordinator/session/send.h"
#include "coordinator/session/session.h"

namespace promptcache {
namespace {

constexpr uint64_t kWarmupTimeoutMs = 600'000;
constexpr uint64_t kMaxTextPerToken = 1 << 10;  // on the average of an answer
constexpr uint32_t kMaxGaps = 3;                // in one request's answer
// By which the attempt is higher each time a client sends a request again (schemas/WIRE.md).
constexpr uint32_t kAttemptsPerSend = 65'536;
constexpr std::chrono::milliseconds kRefusedWait{200};  // until a worker may be asked again

// The one that has the most: it was given the request last, or generated more of it.
bool HasLess(const std::pair<PeerId, RequestState>& a, const std::pair<PeerId, RequestState>& b) {
  return std::pair(a.second.attempt, a.second.parts) < std::pair(b.second.attempt, b.second.parts);
}

// An answer is kept, here or where batches are, so that one without an end would take all memory.
Status CheckSize(const SessionRequest& request, const Partial& partial) {
  const GenerationOptions& options = request.options;
  const auto& samples = request.delivered.samples;
  const size_t before = partial.sample < samples.size() ? samples[partial.sample].size() : 0;
  if (before + partial.tokens.size() > options.max_new_tokens) {
    return DataLoss("the worker sent more tokens than were asked for");
  }
  const uint64_t most = kMaxTextPerToken * options.max_new_tokens * options.samples;
  if (request.text_bytes + partial.text.size() <= most) return {};
  return DataLoss("the worker sent more text than the tokens that were asked for can have");
}

}  // namespace

// ---- membership ----

void SessionTable::NoteOpen(SteadyTime now) {
  if (workers_.HasOpen()) {
    closed_since_.reset();
  } else if (!closed_since_) {
    closed_since_ = now;
  }
}

Actions SessionTable::WorkerIsReady(PeerId worker, const std::string& name,
                                    const WorkerReady& ready, std::vector<PlannedPrompt> warm,
                                    SteadyTime now) {
  Actions actions;
  workers_.Ready(worker, name, ready, now);
  for (PlannedPrompt& prompt : warm) {
    workers_.MustWarm(worker);
    StartWarmup(worker, std::move(prompt), actions);
  }
  const auto too_large = Select([&](const SessionRequest& one) {
    return one.stage == RequestStage::kWaiting && one.is_new() &&
           !workers_.CheckSlots(one.options).ok();
  });
  for (const RequestId& id : too_large) {
    const auto found = requests_.find(id);
    Finish(found, FinalOf(workers_.CheckSlots(found->second.options)), now, actions);
  }
  AskNewcomer(worker, now, actions);
  NoteOpen(now);
  return actions;
}

Actions SessionTable::WorkerGone(PeerId worker, SteadyTime now) {
  Actions actions;
  const auto gone = workers_.Remove(worker);
  if (!gone) return actions;
  warmups_.WorkerGone(worker);
  NoteOpen(now);
  const auto concerned = Select([&](const SessionRequest& one) {
    return one.stage == RequestStage::kAsking ||
           (one.stage == RequestStage::kRunning && one.worker == worker);
  });
  for (const RequestId& id : concerned) {
    const auto found = requests_.find(id);
    if (found->second.stage == RequestStage::kRunning) {
      Redispatch(found, Unavailable("worker '" + gone->name + "' was lost"), now, actions);
      continue;
    }
    std::erase_if(found->second.found, [&](const auto& one) { return one.first == worker; });
    if (found->second.asked.erase(worker) > 0 && found->second.asked.empty()) {
      Asked(found, now, actions);
    }
  }
  GiveWaiting(now, actions);
  return actions;
}

Actions SessionTable::HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat, SteadyTime now) {
  Actions actions;
  if (workers_.HeartbeatReceived(worker, heartbeat, now) == ResidencyOutcome::kAskForSnapshot) {
    actions.push_back(SendAction{Side::kWorker, worker, {.body = ResidencyResync{}}});
  }
  NoteOpen(now);
  GiveWaiting(now, actions);
  return actions;
}

Actions SessionTable::ResidencyReceived(PeerId worker, const Residency& residency, SteadyTime now) {
  Actions actions;
  if (workers_.ResidencyReceived(worker, residency, now) == ResidencyOutcome::kAskForSnapshot) {
    actions.push_back(SendAction{Side::kWorker, worker, {.body = ResidencyResync{}}});
  }
  if (residency.snapshot && !residency.added.empty()) was_here_before_ = true;
  NoteOpen(now);
  GiveWaiting(now, actions);
  return actions;
}

// ---- answers ----

SessionTable::Requests::iterator SessionTable::RunningOn(PeerId worker, const Envelope& envelope) {
  const auto found = requests_.find(envelope.request_id);
  if (found != requests_.end() && found->second.stage == RequestStage::kRunning &&
      found->second.worker == worker && found->second.attempt == envelope.attempt) {
    return found;
  }
  if (!warmups_.contains(envelope.request_id)) ++counters_.unexpected;
  return requests_.end();
}

void SessionTable::StartWarmup(PeerId worker, PlannedPrompt prompt, Actions& actions) {
  const RequestId id = warmups_.Start(worker, std::move(prompt.keep_alive));
  SendAction run{Side::kWorker, worker, {.request_id = id, .timeout_ms = kWarmupTimeoutMs}};
  run.envelope.body = Run{.plan = std::move(prompt.plan),
                          .options = {.max_new_tokens = 0},
                          .schema = std::move(prompt.schema),
                          .version = std::move(prompt.version),
                          .tenant = std::move(prompt.tenant),
                          .domain = prompt.domain,
                          .warming = true};
  actions.emplace_back(std::move(run));
}

Actions SessionTable::PartialReceived(PeerId worker, const Envelope& envelope, SteadyTime now) {
  Actions actions;
  const auto found = RunningOn(worker, envelope);
  if (found == requests_.end()) return actions;
  const auto& partial = std::get<Partial>(envelope.body);
  SessionRequest& request = found->second;
  Delivered& delivered = request.delivered;
  if (partial.seq < delivered.parts || partial.sample >= request.options.samples) {
    ++counters_.unexpected;
    return actions;
  }
  if (partial.seq > delivered.parts) {
    PartsWereLost(found, now, actions);
    return actions;
  }
  if (const Status status = CheckSize(request, partial); !status.ok()) {
    CancelOnWorker(found->first, request, actions);
    Redispatch(found, status, now, actions);
    GiveWaiting(now, actions);
    return actions;
  }
  request.text_bytes += partial.text.size();
  ++delivered.parts;
  if (delivered.samples.size() <= partial.sample) delivered.samples.resize(partial.sample + 1);
  std::vector<TokenId>& tokens = delivered.samples[partial.sample];
  tokens.insert(tokens.end(), partial.tokens.begin(), partial.tokens.end());
  actions.push_back(ToClient(request, partial));
  if (!std::exchange(request.started, true)) {
    workers_.Started(envelope.request_id, now);
    if (request.report.first_token_ms == 0) {
      request.report.first_token_ms = MillisecondsBetween(request.received, now);
    }
    GiveWaiting(now, actions);  // its worker has less work before it
  }
  return actions;
}

// Without this the answer would end OK with a hole in its text. The worker still has the parts.
void SessionTable::PartsWereLost(Requests::iterator request, SteadyTime now, Actions& actions) {
  SessionRequest& entry = request->second;
  if (++entry.gaps > kMaxGaps) {
    Abort(request,
          DataLoss("parts of the answer were lost on the way from the worker again and again; "
                   "send the request again"),
          now, actions);
    return GiveWaiting(now, actions);
  }
  ++entry.attempt;
  entry.report.attempts.back().end = "parts were lost on the way";
  Adopted(request, now, actions);
}

Actions SessionTable::FinalReceived(PeerId worker, const Envelope& envelope, SteadyTime now) {
  Actions actions;
  if (warmups_.End(envelope.request_id, worker)) {
    if (!warmups_.IsWarming(worker)) workers_.Warm(worker);
    NoteOpen(now);
  } else if (const auto found = RunningOn(worker, envelope); found != requests_.end()) {
    const auto& final = std::get<Final>(envelope.body);
    const auto failure = [&] {
      return Status(final.code, AbbreviateUtf8(final.message, kMaxMessageBytes));
    };
    switch (final.code) {
      // A worker that has no room or goes is not the only one, and not for ever.
      case Code::kBusy:
      case Code::kUnavailable:
        found->second.not_before = now + kRefusedWait;
        Redispatch(found, failure(), now, actions);
        break;
      // It has other tokens there, or dropped parts: it stops, and the rest is computed anew.
      case Code::kNotFound:
      case Code::kDataLoss:
        CancelOnWorker(found->first, found->second, actions);
        Redispatch(found, failure(), now, actions);
        break;
      // By the coordinator before: nobody here did.
      case Code::kCancelled:
        Redispatch(found, failure(), now, actions);
        break;
      default:
        Finish(found, final, now, actions);
    }
  }
  GiveWaiting(now, actions);
  return actions;
}

// ---- requests that another coordinator had ----

void SessionTable::Ask(Requests::iterator request, const std::vector<PeerId>& workers,
                       SteadyTime now, Actions& actions) {
  SessionRequest& entry = request->second;
  entry.stage = RequestStage::kAsking;
  entry.asked_until = now + limits_.ask_wait;
  for (const PeerId worker : workers) {
    entry.asked.insert(worker);
    actions.push_back(ToWorker(worker, request->first, entry, RequestQuery{}));
  }
  if (entry.asked.empty()) Asked(request, now, actions);
}

// A worker that comes back may have what waits for others.
void SessionTable::AskNewcomer(PeerId worker, SteadyTime now, Actions& actions) {
  const auto looked_for = Select([](const SessionRequest& one) {
    return one.sent_again &&
           (one.stage == RequestStage::kAsking || one.stage == RequestStage::kWaiting);
  });
  for (const RequestId& id : looked_for) {
    waiting_.Remove(id);
    Ask(requests_.find(id), {worker}, now, actions);
  }
}

Actions SessionTable::RequestStateReceived(PeerId worker, const Envelope& envelope,
                                           SteadyTime now) {
  Actions actions;
  const auto found = requests_.find(envelope.request_id);
  if (found == requests_.end() || found->second.asked.erase(worker) == 0) {
    ++counters_.unexpected;
    return actions;
  }
  const auto& state = std::get<RequestState>(envelope.body);
  if (state.phase != RequestPhase::kUnknown) found->second.found.emplace_back(worker, state);
  if (found->second.asked.empty()) Asked(found, now, actions);
  return actions;
}

void SessionTable::Asked(Requests::iterator request, SteadyTime now, Actions& actions) {
  SessionRequest& entry = request->second;
  entry.asked.clear();
  const auto found = std::exchange(entry.found, {});
  const auto best = std::max_element(found.begin(), found.end(), HasLess);
  if (best == found.end()) return Dispatch(request, now, actions);
  if (best->second.attempt / kAttemptsPerSend > entry.attempt / kAttemptsPerSend) {
    // Its client has gone on to another coordinator, and this one has not noticed.
    const Status gone = Unavailable("its client has sent the request to another coordinator since");
    return Finish(request, FinalOf(gone), now, actions);
  }
  entry.attempt = std::max(entry.attempt, best->second.attempt + 1);
  for (auto one = found.begin(); one != found.end(); ++one) {
    if (one->second.phase != RequestPhase::kRunning || one == best) continue;
    actions.push_back(ToWorker(one->first, request->first, entry, Cancel{}));
  }
  TakeOver(request, best->first, now, actions);
}

void SessionTable::TakeOver(Requests::iterator request, PeerId worker, SteadyTime now,
                            Actions& actions) {
  SessionRequest& entry = request->second;
  ++counters_.resumed;
  entry.sent_again = false;
  entry.stage = RequestStage::kRunning;
  entry.worker = worker;
  entry.started = false;
  entry.route = Describe(entry.prompt);
  entry.route.id = request->first;
  entry.route.slots = entry.options.samples;
  workers_.Found(entry.route, worker, now);
  Adopted(request, now, actions);
}

// Its worker, which has it, streams to this coordinator from what is missing on.
void SessionTable::Adopted(Requests::iterator request, SteadyTime now, Actions& actions) {
  SessionRequest& entry = request->second;
  entry.report.attempts.push_back({.attempt = entry.attempt,
                                   .worker = workers_.all().at(entry.worker).name,
                                   .given_ms = MillisecondsBetween(entry.received, now)});
  actions.push_back(
      ToWorker(entry.worker, request->first, entry, Adopt{.delivered = entry.delivered}));
}

}  // namespace promptcache
