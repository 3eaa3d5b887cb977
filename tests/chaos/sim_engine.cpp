#include "tests/chaos/sim_engine.h"

#include <algorithm>
#include <utility>

#include "tests/chaos/sim_identity.h"

namespace promptcache::chaos {
namespace {

constexpr size_t kQueue = 64;
constexpr milliseconds kStep{10};
constexpr size_t kMemoryUnits = 6;

}  // namespace

SimEngine::SimEngine(EventQueue& events, Dice& dice, SimStore& store, TornWrites torn,
                     std::function<void(UnitChanges)> on_residency)
    : events_(events),
      dice_(dice),
      store_(store),
      torn_(torn),
      on_residency_(std::move(on_residency)) {
  Step();
}

// ---- requests ----

SimEngine::Jobs::iterator SimEngine::Find(const RequestId& id) {
  return std::find_if(jobs_.begin(), jobs_.end(),
                      [&](const Job& job) { return job.request.id == id; });
}

Status SimEngine::Submit(EngineRequest request) {
  if (jobs_.size() >= kQueue) return Busy("the queue is full");
  Job job{.request = std::move(request)};
  AnswerPart delivered;
  if (!job.request.delivered.empty()) {
    for (const TokenId token : job.request.delivered.front()) Add(token, job, delivered);
  }
  if (Find(job.request.id) != jobs_.end()) {
    job.request.events.on_final(AlreadyExists("a request with this id is running"), {});
    return {};
  }
  jobs_.push_back(std::move(job));
  return {};
}

void SimEngine::Cancel(const RequestId& id) {
  const auto job = Find(id);
  if (job != jobs_.end()) End(job, Cancelled("cancelled"));
}

void SimEngine::End(Jobs::iterator job, const Status& status) {
  const Job ended = std::move(*job);
  jobs_.erase(job);
  ++finished_;
  ended.request.events.on_final(status, {.generated_tokens = ended.next});
}

// ---- steps ----

void SimEngine::Step() {
  for (size_t i = jobs_.size(); i-- > 0;) {
    if (events_.now() < jobs_[i].request.deadline) continue;
    End(jobs_.begin() + static_cast<ptrdiff_t>(i), DeadlineExceeded("the deadline has passed"));
  }
  size_t left = kSlots;
  for (size_t i = 0; i < jobs_.size() && left > 0; --left) {
    if (StepOne(jobs_[i])) {
      ++i;
    } else {
      End(jobs_.begin() + static_cast<ptrdiff_t>(i), {});
    }
  }
  events_.After(kStep, [this, alive = alive_] {
    if (*alive) Step();
  });
}

bool SimEngine::StepOne(Job& job) {
  const EngineRequest& request = job.request;
  if (!std::exchange(job.acquired, true)) {
    for (const KnownRecipePtr& recipe : request.recipes) {
      job.states ^= Acquire(recipe->digest, request.domain);
    }
    return true;
  }
  const auto prompt = static_cast<uint32_t>(request.plan.new_tokens.ids.at(0));
  if (job.next == request.options.max_new_tokens) return false;
  AnswerPart part;
  const uint64_t count = 1 + dice_.Below(3);
  for (uint64_t i = 0; i < count && job.next < request.options.max_new_tokens; ++i) {
    Add(TokenAt(prompt, job.states, job.next), job, part);
  }
  request.events.on_part(std::move(part));
  return true;
}

void SimEngine::Add(TokenId token, Job& job, AnswerPart& part) {
  ++job.next;
  part.tokens.push_back(token);
  part.text += std::exchange(job.withheld, {});
  const bool is_last = job.next == job.request.options.max_new_tokens;
  (IsWithheld(token) && !is_last ? job.withheld : part.text) += LetterOf(token);
}

// ---- units ----

uint64_t SimEngine::Acquire(const RecipeDigest& unit, uint64_t domain) {
  const UnitKey key = MakeUnitKey(SimIdentity().Digest(), domain, unit);
  const auto held = memory_.find(key);
  if (held != memory_.end()) return held->second;
  std::optional<uint64_t> states = store_.Get(unit);
  if (!states) {
    states = StatesOf(unit);
    const bool torn = dice_.OneIn(*torn_.one_in);
    if (torn) ++*torn_.count;
    store_.Put(unit, *states, torn);
  }
  UnitChanges changes{.added = {key}};
  if (memory_.size() >= kMemoryUnits) {
    changes.removed.push_back(memory_.begin()->first);
    memory_.erase(memory_.begin());
  }
  memory_[key] = *states;
  on_residency_(std::move(changes));
  return *states;
}

void SimEngine::Drop(std::vector<UnitKey> keys, std::function<void(RemovedUnits)> done) {
  UnitChanges changes;
  for (const UnitKey& key : keys) {
    if (memory_.erase(key) > 0) changes.removed.push_back(key);
  }
  const RemovedUnits removed{.units = changes.removed.size()};
  if (!changes.empty()) on_residency_(std::move(changes));
  done(removed);
}

EngineStats SimEngine::stats() const {
  const auto jobs = static_cast<uint32_t>(jobs_.size());
  return {.active = std::min(jobs, kSlots),
          .queued = jobs - std::min(jobs, kSlots),
          .units = static_cast<uint32_t>(memory_.size()),
          .finished = finished_,
          .prefill_tokens_per_s = 2'000,
          .load_cost = {.fixed = 0.001, .each = 1e-5}};
}

}  // namespace promptcache::chaos
