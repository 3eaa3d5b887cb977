#include "tools/fake_engine/fake_engine.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "tools/fake_engine/fake_acquirer.h"
#include "tools/fake_engine/fake_sequence.h"
#include "worker/engine/inbox.h"

namespace promptcache {
namespace {

class FakeEngine : public Engine {
 public:
  FakeEngine(FakeModel model, EngineSetup setup)
      : model_(std::move(model)),
        setup_(std::move(setup)),
        acquirer_(setup_, model_.format,
                  [this](std::function<void()> function) { inbox_.Post(std::move(function)); }),
        thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

  ~FakeEngine() override {
    thread_.request_stop();
    inbox_.Post([] {});
    thread_.join();
  }

  Status Submit(EngineRequest request) override {
    PC_RETURN_IF_ERROR(
        request.Validate(model_.context_length, model_.tokenizer->vocabulary_size()));
    PC_RETURN_IF_ERROR(request.options.FitsSlots(setup_.options.slots));
    if (request.options.logprobs > 0) {
      return Unimplemented("a fake engine has no log-probabilities");
    }
    if (waiting_.fetch_add(1) >= setup_.options.queue_limit) {
      --waiting_;
      return Busy(std::to_string(setup_.options.queue_limit) +
                  " requests wait already, the limit of this worker; try again later");
    }
    auto shared = std::make_shared<EngineRequest>(std::move(request));
    inbox_.Post([this, shared] { Enqueue(std::move(*shared)); });
    return {};
  }

  void Cancel(const RequestId& id) override {
    inbox_.Post([this, id] { End(id, Cancelled("cancelled")); });
  }

  EngineStats stats() const override {
    std::lock_guard lock(stats_mutex_);
    EngineStats stats = stats_;
    stats.queued = waiting_.load();
    return stats;
  }

  void Drop(std::vector<UnitKey> keys, std::function<void(RemovedUnits)> done) override {
    inbox_.Post(
        [this, keys = std::move(keys), done = std::move(done)] { done(acquirer_.Drop(keys)); });
  }

 private:
  void Loop(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      inbox_.WaitAndRun(NextTurn());
      EndLate();
      Admit();
      if (HasStep() && SystemClock().Now() >= next_step_) Step();
      Report();
    }
    inbox_.Run();
    const Status stopped = Unavailable("the worker is shutting down");
    while (!running_.empty()) Finish(0, stopped);
    for (const EngineRequest& request : std::exchange(queue_, {})) Refuse(request, stopped);
  }

  bool HasStep() const {
    return acquirer_.wants_step() ||
           std::any_of(running_.begin(), running_.end(),
                       [](const auto& sequence) { return sequence->missing_units() == 0; });
  }

  // Whether there are slots for the first request of the queue: later ones do not overtake it.
  bool CanAdmit() const {
    if (queue_.empty()) return false;
    size_t taken = queue_.front().options.samples;
    for (const auto& sequence : running_) taken += sequence->slots();
    return taken <= setup_.options.slots;
  }

  // When there will be something to do, if nothing is posted before.
  SteadyTime NextTurn() const {
    constexpr SteadyTime::duration kLongest = std::chrono::hours(1);
    SteadyTime next = SystemClock().Now() + std::min(kLongest, acquirer_.cache().UntilNextExpiry());
    if (HasStep()) next = std::min(next, next_step_);
    next = std::min(next, acquirer_.imports_due());
    for (const auto& sequence : running_) next = std::min(next, sequence->request().deadline);
    for (const EngineRequest& request : queue_) next = std::min(next, request.deadline);
    return next;
  }

  void EndLate() {
    const SteadyTime now = SystemClock().Now();
    const Status late = DeadlineExceeded("the request's deadline has passed");
    for (size_t i = running_.size(); i-- > 0;) {
      if (now >= running_[i]->request().deadline) Finish(i, late);
    }
    std::erase_if(queue_, [&](const EngineRequest& request) {
      if (now < request.deadline) return false;
      Refuse(request, late);
      return true;
    });
  }

  bool IsInUse(const RequestId& id) const {
    return FindRunning(id) < running_.size() ||
           std::any_of(queue_.begin(), queue_.end(),
                       [&](const EngineRequest& other) { return other.id == id; });
  }

  void Enqueue(EngineRequest request) {
    if (IsInUse(request.id)) {
      return Refuse(request, AlreadyExists("a request with this id is running"));
    }
    queue_.push_back(std::move(request));
  }

  // running_.size() when it does not run.
  size_t FindRunning(const RequestId& id) const {
    const auto found = std::find_if(running_.begin(), running_.end(), [&](const auto& sequence) {
      return sequence->request().id == id;
    });
    return static_cast<size_t>(found - running_.begin());
  }

  void End(const RequestId& id, const Status& status) {
    const size_t index = FindRunning(id);
    if (index < running_.size()) return Finish(index, status);
    std::erase_if(queue_, [&](const EngineRequest& request) {
      if (request.id != id) return false;
      Refuse(request, status);
      return true;
    });
  }

  // Ends a request that never ran.
  void Refuse(const EngineRequest& request, const Status& status) {
    --waiting_;
    Usage usage;
    usage.finish = FinishOf(status);
    request.events.on_final(status, std::move(usage));
  }

  void Admit() {
    while (CanAdmit()) {
      EngineRequest request = std::move(queue_.front());
      queue_.pop_front();
      --waiting_;
      running_.push_back(std::make_unique<FakeSequence>(std::move(request), *model_.tokenizer,
                                                        model_.words, SystemClock().Now()));
      AcquireUnits(*running_.back());
    }
  }

  void AcquireUnits(FakeSequence& sequence) {
    const EngineRequest& request = sequence.request();
    const size_t units = sequence.missing_units();
    if (units == 0) return sequence.Begin(SystemClock().Now());
    for (size_t i = 0; i < units; ++i) {
      acquirer_.Acquire(request.OrderOf(i), [this, id = request.id, i](FakeArrival arrival) {
        UnitArrived(id, i, std::move(arrival));
      });
    }
  }

  void UnitArrived(const RequestId& id, size_t unit, FakeArrival arrival) {
    FakeSequence& sequence = *running_[FindRunning(id)];  // it would not wait if it had ended
    sequence.SetUnit(unit, std::move(arrival));
    if (sequence.missing_units() == 0) sequence.Begin(SystemClock().Now());
  }

  void Step() {
    const SteadyTime now = SystemClock().Now();
    next_step_ = now + model_.step;
    (void)acquirer_.EncodeStep();
    for (size_t i = running_.size(); i-- > 0;) {
      FakeSequence& sequence = *running_[i];
      if (sequence.missing_units() > 0) continue;
      sequence.Step(now);
      for (AnswerPart& part : sequence.TakeParts()) {
        generated_tokens_ += part.tokens.size();
        sequence.request().events.on_part(std::move(part));
      }
      if (sequence.done()) Finish(i, {});
    }
  }

  void Finish(size_t index, const Status& status) {
    const std::unique_ptr<FakeSequence> sequence = std::move(running_[index]);
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(index));
    if (sequence->missing_units() > 0) acquirer_.Abandon(sequence->request().id);
    ++finished_;
    sequence->request().events.on_final(
        status, sequence->TakeUsage(status.ok() ? FinishReason::kNone : FinishOf(status)));
  }

  double KvUse() const {
    size_t rows = 0;
    for (const auto& sequence : running_) rows += sequence->rows();
    const auto most = static_cast<double>(model_.context_length) * setup_.options.slots;
    return std::min(1.0, static_cast<double>(rows) / most);
  }

  void Report() {
    acquirer_.TellImports();
    acquirer_.cache().Trim();
    UnitChanges changes = acquirer_.cache().TakeChanges();
    {
      std::lock_guard lock(stats_mutex_);
      stats_ = {.active = static_cast<uint32_t>(running_.size()),
                .units = static_cast<uint32_t>(acquirer_.cache().size()),
                .unit_bytes = acquirer_.cache().bytes(),
                .finished = finished_,
                .corruptions = acquirer_.corruptions(),
                .put_failures = acquirer_.put_failures(),
                .kv_use = KvUse(),
                .generated_tokens = generated_tokens_,
                .load_cost = acquirer_.load_cost()};
    }
    if (!changes.empty() && setup_.on_residency) setup_.on_residency(std::move(changes));
  }

  // Constant after construction.
  const FakeModel model_;
  const EngineSetup setup_;

  Inbox inbox_;

  // Guarded by stats_mutex_.
  mutable std::mutex stats_mutex_;
  EngineStats stats_;

  std::atomic<uint32_t> waiting_{0};  // submitted and not yet running

  // Owned by the engine thread.
  std::deque<EngineRequest> queue_;
  std::vector<std::unique_ptr<FakeSequence>> running_;
  SteadyTime next_step_ = SteadyTime::min();
  uint64_t finished_ = 0;
  uint64_t generated_tokens_ = 0;

  // Its own thread posts to the inbox, so it goes before the inbox does.
  FakeAcquirer acquirer_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<Engine> StartFakeEngine(FakeModel model, EngineSetup setup) {
  return std::make_unique<FakeEngine>(std::move(model), std::move(setup));
}

}  // namespace promptcache
