#include "worker/service/worker_requests.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDefaultDeadline{600'000};
constexpr uint64_t kLongestTimeoutMs = 86'400'000;

// Every part has a token.
Status CheckParts(const Delivered& delivered) {
  size_t tokens = 0;
  for (const std::vector<TokenId>& of_sample : delivered.samples) tokens += of_sample.size();
  if (delivered.parts <= tokens) return {};
  return InvalidArgument("delivered: " + std::to_string(delivered.parts) + " parts of together " +
                         std::to_string(tokens) + " tokens");
}

}  // namespace

WorkerRequests::WorkerRequests(RequestsDeps deps)
    : deps_(std::move(deps)),
      recipes_(deps_.recipe_cache_tokens),
      waiting_(deps_.waiting_limit),
      log_(deps_.log) {}

// ---- messages ----

void WorkerRequests::Receive(uint32_t coordinator, Envelope envelope) {
  const RequestId id = envelope.request_id;
  if (std::holds_alternative<Run>(envelope.body)) {
    return RunReceived(coordinator, std::move(envelope));
  }
  if (std::holds_alternative<Cancel>(envelope.body)) return CancelReceived(id, envelope.attempt);
  if (const auto* reply = std::get_if<RecipeReply>(&envelope.body)) {
    return RecipesReceived(coordinator, id, *reply);
  }
  if (const auto* reply = std::get_if<Reply>(&envelope.body)) {
    return ReplyReceived(coordinator, id, *reply);
  }
  const RequestOwner asks{coordinator, envelope.attempt, std::move(envelope.trace)};
  if (std::holds_alternative<RequestQuery>(envelope.body)) {
    return Send(MessageTo(asks, id, log_.Query(id)));
  }
  if (const auto* adopt = std::get_if<Adopt>(&envelope.body)) {
    AdoptReceived(asks, id, adopt->delivered);
  }
}

void WorkerRequests::RunReceived(uint32_t coordinator, Envelope envelope) {
  const RequestId& id = envelope.request_id;
  RequestOwner owner{coordinator, envelope.attempt, std::move(envelope.trace)};
  const auto turn_away = [&](const Status& status) {
    Send(MessageTo(owner, id, FinalOf(status, {})));
  };
  const bool is_known = log_.Query(id).phase != RequestPhase::kUnknown;
  if (drain_ == DrainChange::kDrain && !is_known) {
    return turn_away(Unavailable("worker '" + deps_.worker + "' is draining"));
  }
  Run& order = std::get<Run>(envelope.body);
  auto begun = log_.Begin(id, owner, order.delivered);
  if (begun.status().code() == Code::kAlreadyExists) {
    return Log(LogLevel::kWarning, "a run came again; ignored",
               {{"request", id.ToHex()}, {"trace", owner.trace}});
  }
  if (!begun.ok()) return turn_away(begun.status());
  if (begun->replaced) Stop(id);
  if (begun->farewell) Send(*std::move(begun->farewell));
  const SteadyTime now = deps_.engine_clock->Now();
  const milliseconds timeout(std::min<uint64_t>(envelope.timeout_ms, kLongestTimeoutMs));
  AskOrStart({.run = begun->run,
              .sender = std::move(owner),
              .order = std::move(order),
              .received = now,
              .deadline = now + (timeout.count() > 0 ? timeout : kDefaultDeadline)});
}

void WorkerRequests::AskOrStart(WaitingRun run) {
  std::vector<RecipeDigest> missing;
  for (const PlanUnit& unit : run.order.plan.units) {
    run.recipes.push_back(recipes_.Find(run.order.domain, unit.digest));
    if (!run.recipes.back()) missing.push_back(unit.digest);
  }
  if (missing.empty()) return Start(std::move(run));
  if (waiting_.full()) return Refuse(run.run, Busy("too many requests wait for recipes"));
  Outgoing query = MessageTo(run.sender, run.run.id, RecipeQuery{std::move(missing)});
  waiting_.Add(std::move(run));
  Send(std::move(query));
}

void WorkerRequests::RecipesReceived(uint32_t coordinator, const RequestId& id,
                                     const RecipeReply& reply) {
  std::vector<KnownRecipePtr>& parts = recipe_parts_[coordinator];
  for (const Recipe& recipe : reply.recipes) {
    // The digest is computed here: a name is never taken on trust.
    auto known = MakeKnownRecipe(recipe);
    if (known.ok()) parts.push_back(std::move(*known));
  }
  if (id.is_zero()) return;
  const std::vector<KnownRecipePtr> all = std::move(recipe_parts_.extract(coordinator).mapped());
  auto run = waiting_.TakeFrom(coordinator, id);
  if (!run) return;
  for (const KnownRecipePtr& known : all) recipes_.Insert(run->order.domain, known);
  run->AddRecipes(all);
  Start(*std::move(run));
}

void WorkerRequests::ReplyReceived(uint32_t coordinator, const RequestId& id, const Reply& reply) {
  const auto run = waiting_.TakeFrom(coordinator, id);
  Log(LogLevel::kWarning, "the coordinator refused a message",
      {{"reason", reply.message},
       {"request", id.ToHex()},
       {"trace", run ? run->sender.trace : std::string()}});
  if (run) Refuse(run->run, FailedPrecondition("no recipes: " + reply.message));
}

void WorkerRequests::AdoptReceived(const RequestOwner& owner, const RequestId& id,
                                   const Delivered& delivered) {
  auto farewell = log_.Adopt(id, owner, delivered);
  if (!farewell.ok()) return Send(MessageTo(owner, id, FinalOf(farewell.status(), {})));
  if (*farewell) Send(**std::move(farewell));
  Deliver(id);
}

void WorkerRequests::CancelReceived(const RequestId& id, uint32_t attempt) {
  if (!log_.Cancel(id, attempt)) return;
  if (const auto run = waiting_.Take(id)) return End(run->run, Cancelled("cancelled"), {});
  Stop(id);
}

// ---- runs ----

void WorkerRequests::Start(WaitingRun waiting) {
  const Status status = Submit(waiting);
  if (!status.ok()) Refuse(waiting.run, status);
}

Status WorkerRequests::Submit(WaitingRun& waiting) {
  Run& order = waiting.order;
  PC_RETURN_IF_ERROR(CheckParts(order.delivered));
  EngineRequest request{.id = waiting.run.id,
                        .plan = std::move(order.plan),
                        .recipes = std::move(waiting.recipes),
                        .schema = std::move(order.schema),
                        .version = std::move(order.version),
                        .tenant = std::move(order.tenant),
                        .domain = order.domain,
                        .purpose = order.warming ? Purpose::kWarming : Purpose::kAnswer,
                        .options = std::move(order.options),
                        .delivered = std::move(order.delivered.samples),
                        .received = waiting.received,
                        .deadline = waiting.deadline,
                        .events = EventsFor(waiting.run)};
  const auto gone = std::ranges::find(request.recipes, nullptr);
  if (gone != request.recipes.end()) {
    const PlanUnit& unit = request.plan.units[gone - request.recipes.begin()];
    return FailedPrecondition("the recipe of '" + unit.path +
                              "' is gone; register the schema again");
  }
  if (deps_.engine == nullptr) return Unavailable("the worker is shutting down");
  return deps_.engine->Submit(std::move(request));
}

// Events come back to the reactor thread, where their run may have ended or been replaced.
RequestEvents WorkerRequests::EventsFor(const RequestRun& run) {
  return {
      .on_part =
          [this, run](AnswerPart part) {
            deps_.post(
                [this, run, part = std::move(part)]() mutable { PartCame(run, std::move(part)); });
          },
      .on_final =
          [this, run](Status status, Usage usage) {
            deps_.post([this, run, status = std::move(status), usage = std::move(usage)]() mutable {
              End(run, status, std::move(usage));
            });
          }};
}

void WorkerRequests::PartCame(const RequestRun& run, AnswerPart part) {
  log_.Part(run, {.tokens = std::move(part.tokens),
                  .text = std::move(part.text),
                  .sample = part.sample,
                  .logprobs = std::move(part.logprobs)});
  Deliver(run.id);
}

void WorkerRequests::End(const RequestRun& run, const Status& status, Usage usage) {
  imports_.Add(usage);
  log_.End(run, FinalOf(status, std::move(usage)), deps_.clock->Now());
  Deliver(run.id);
}

void WorkerRequests::Refuse(const RequestRun& run, const Status& status) {
  if (const auto owner = log_.Forget(run)) Send(MessageTo(*owner, run.id, FinalOf(status, {})));
}

Final WorkerRequests::FinalOf(const Status& status, Usage usage) const {
  usage.worker = deps_.worker;
  return {.code = status.code(), .message = status.message(), .usage = std::move(usage)};
}

void WorkerRequests::Stop(const RequestId& id) {
  (void)waiting_.Take(id);
  if (deps_.engine != nullptr) deps_.engine->Cancel(id);
}

// ---- sending ----

void WorkerRequests::Deliver(const RequestId& id) {
  while (const auto message = log_.Next(id)) {
    if (!SendAnswer(*message).ok()) {
      behind_.insert(id);  // the link is full, or it goes down, which makes an orphan of it
      return;
    }
    log_.Sent(id, deps_.clock->Now());
  }
}

// An end that no message holds comes without what its units cost.
Status WorkerRequests::SendAnswer(const Outgoing& message) {
  const Status sent = deps_.send(message.coordinator, message.envelope);
  const auto* final = std::get_if<Final>(&message.envelope.body);
  if (sent.code() != Code::kResourceExhausted || final == nullptr) return sent;
  Envelope shorter = message.envelope;
  std::get<Final>(shorter.body).usage.units.clear();
  return deps_.send(message.coordinator, shorter);
}

// But for a full queue, a failed send means that the link goes down.
void WorkerRequests::Send(Outgoing message) {
  const Status sent = deps_.send(message.coordinator, message.envelope);
  if (sent.code() == Code::kBusy) unsent_.push_back(std::move(message));
}

// ---- coordinators and time ----

void WorkerRequests::CoordinatorLost(uint32_t coordinator) {
  recipe_parts_.erase(coordinator);
  std::erase_if(unsent_,
                [&](const Outgoing& message) { return message.coordinator == coordinator; });
  const size_t orphans = log_.CoordinatorLost(coordinator, deps_.clock->Now());
  if (orphans > 0) {
    Log(LogLevel::kWarning, "a coordinator is lost; its requests run on for another one",
        {{"requests", orphans}});
  }
  for (const WaitingRun& run : waiting_.TakeIf(
           [&](const WaitingRun& waiting) { return waiting.sender.coordinator == coordinator; })) {
    Refuse(run.run, Unavailable("the coordinator that has the recipes is gone"));
  }
}

void WorkerRequests::Tick() {
  for (Outgoing& message : std::exchange(unsent_, {})) Send(std::move(message));
  for (const RequestId& id : std::exchange(behind_, {})) Deliver(id);
  const SteadyTime now = deps_.engine_clock->Now();
  for (const WaitingRun& run :
       waiting_.TakeIf([&](const WaitingRun& waiting) { return now >= waiting.deadline; })) {
    End(run.run, DeadlineExceeded("the deadline passed while recipes were asked for"), {});
  }
  const std::vector<RequestId> given_up = log_.Expire(deps_.clock->Now());
  for (const RequestId& id : given_up) Stop(id);
  if (!given_up.empty()) {
    Log(LogLevel::kWarning, "no coordinator has taken over requests of a lost one; cancelled",
        {{"requests", given_up.size()}});
  }
}

}  // namespace promptcache
