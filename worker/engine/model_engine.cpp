#include "worker/engine/model_engine.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

#include "common/log.h"
#include "worker/engine/acquirer.h"
#include "worker/engine/inbox.h"
#include "worker/engine/sequence.h"
#include "worker/engine/stepper.h"
#include "worker/engine/workload.h"

namespace promptcache {
namespace {

class EngineImpl : public Engine {
 public:
  EngineImpl(EngineDeps deps, const EngineOptions& options)
      : deps_(std::move(deps)),
        options_(options),
        stepper_(*deps_.model, options.prefill_chunk_tokens,
                 [this](const RequestId& id, const Status& status) { End(id, status); }),
        acquirer_(*deps_.model, deps_.store, deps_.format,
                  {.unit_cache_bytes = options.unit_cache_bytes,
                   .clock = deps_.clock,
                   .loader_threads = options.loader_threads,
                   .put_queue_bytes = options.put_queue_bytes,
                   .store_tier = deps_.store_tier},
                  [this](std::function<void()> function) { inbox_.Post(std::move(function)); }),
        thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

  ~EngineImpl() override {
    thread_.request_stop();
    inbox_.Post([] {});
    thread_.join();
  }

  Status Submit(EngineRequest request) override {
    const ModelShape& shape = deps_.model->shape();
    PC_RETURN_IF_ERROR(request.Validate(shape.context_length, shape.vocabulary));
    PC_RETURN_IF_ERROR(request.options.FitsSlots(options_.slots));
    if (waiting_.fetch_add(1) >= options_.queue_limit) {
      --waiting_;
      return Busy(std::to_string(options_.queue_limit) +
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
      if (HasWork()) {
        inbox_.Run();
      } else {
        inbox_.WaitAndRun(NextDeadline());
      }
      EndLate();
      Admit();
      const bool encoded = acquirer_.EncodeStep();
      const bool stepped = Step();
      ReportChanges();
      busy_ = encoded || stepped;
    }
    inbox_.Run();
    while (!running_.empty()) Finish(0, Unavailable("the worker is shutting down"));
    for (EngineRequest& request : std::exchange(queue_, {})) {
      Refuse(request, Unavailable("the worker is shutting down"));
    }
  }

  bool HasWork() const { return busy_ || acquirer_.wants_step() || CanAdmit(); }

  // Whether there are slots for the first request of the queue: later ones do not overtake it.
  bool CanAdmit() const {
    if (queue_.empty()) return false;
    size_t taken = queue_.front().options.samples;
    for (const auto& sequence : running_) taken += sequence->slots();
    return taken <= options_.slots;
  }

  SteadyTime NextDeadline() const {
    constexpr SteadyTime::duration kLongest = std::chrono::hours(1);
    SteadyTime next = SystemClock().Now() + std::min(kLongest, acquirer_.cache().UntilNextExpiry());
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
    for (auto it = queue_.begin(); it != queue_.end();) {
      if (now < it->deadline) {
        ++it;
        continue;
      }
      Refuse(*it, late);
      it = queue_.erase(it);
    }
  }

  void Enqueue(EngineRequest request) {
    const auto is_same = [&](const RequestId& id) { return id == request.id; };
    const bool in_use =
        std::any_of(running_.begin(), running_.end(),
                    [&](const auto& sequence) { return is_same(sequence->request().id); }) ||
        std::any_of(queue_.begin(), queue_.end(),
                    [&](const EngineRequest& other) { return is_same(other.id); });
    if (in_use) return Refuse(request, AlreadyExists("a request with this id is running"));
    queue_.push_back(std::move(request));
  }

  void End(const RequestId& id, const Status& status) {
    for (size_t i = 0; i < running_.size(); ++i) {
      if (running_[i]->request().id == id) return Finish(i, status);
    }
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
      if (it->id != id) continue;
      Refuse(*it, status);
      queue_.erase(it);
      return;
    }
  }

  // Ends a request that never ran.
  void Refuse(EngineRequest& request, const Status& status) {
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
      running_.push_back(
          std::make_unique<Sequence>(std::move(request), *deps_.tokenizer, SystemClock().Now()));
      AcquireUnits(*running_.back());
    }
  }

  void AcquireUnits(Sequence& sequence) {
    const EngineRequest& request = sequence.request();
    const RequestId id = request.id;
    const size_t units = sequence.unit_count();
    if (units == 0) return BeginIfReady(sequence);
    // The last unit may arrive at once and end the request: nothing of it is touched afterwards.
    for (size_t i = 0; i < units; ++i) {
      acquirer_.Acquire(
          request.OrderOf(i),
          {.on_loading = [this, id, i](UnitPtr unit) { UnitLoading(id, i, unit); },
           .on_arrival = [this, id,
                          i](UnitArrival arrival) { UnitArrived(id, i, std::move(arrival)); }});
    }
  }

  // Null when the request has ended.
  Sequence* FindRunning(const RequestId& id) {
    const auto found = std::find_if(running_.begin(), running_.end(), [&](const auto& sequence) {
      return sequence->request().id == id;
    });
    return found == running_.end() ? nullptr : found->get();
  }

  void UnitLoading(const RequestId& id, size_t index, const UnitPtr& unit) {
    Sequence* const sequence = FindRunning(id);
    if (sequence == nullptr) return;
    sequence->SetLoading(index, unit);
    BeginIfReady(*sequence);
  }

  void UnitArrived(const RequestId& id, size_t index, UnitArrival arrival) {
    if (!arrival.status.ok()) return End(id, arrival.status);
    Sequence* const sequence = FindRunning(id);
    if (sequence == nullptr) return;
    sequence->SetUnit(index, std::move(arrival.unit), std::move(arrival.usage),
                      arrival.encoded_tokens);
    BeginIfReady(*sequence);
  }

  void BeginIfReady(Sequence& sequence) {
    if (!sequence.can_begin()) return;
    const Status status = sequence.Begin(*deps_.model, SystemClock().Now());
    if (!status.ok()) End(sequence.request().id, status);
  }

  // False when there was none to take. A step that may have to wait for layers is taken only when
  // nobody else has one.
  bool Step() {
    const bool stepped =
        stepper_.Step(running_) || (!acquirer_.wants_step() && stepper_.StepAhead(running_));
    FinishDone();
    return stepped;
  }

  void FinishDone() {
    for (size_t i = running_.size(); i-- > 0;) {
      if (running_[i]->missing_units() == 0 && running_[i]->done()) Finish(i, {});
    }
  }

  void Finish(size_t index, const Status& status) {
    const std::unique_ptr<Sequence> sequence = std::move(running_[index]);
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(index));
    if (sequence->missing_units() > 0) acquirer_.Abandon(sequence->request().id);
    Usage usage = sequence->TakeUsage(status.ok() ? FinishReason::kNone : FinishOf(status));
    ++finished_;
    sequence->request().events.on_final(status, std::move(usage));
  }

  void ReportChanges() {
    acquirer_.TellImports();
    acquirer_.cache().Trim();
    UnitChanges changes = acquirer_.cache().TakeChanges();
    const double rate = stepper_.prefill_rate();
    const double backlog = workload_.BacklogSeconds(running_, queue_, rate);
    const double kv_use = KvUse(running_, deps_.model->shape().context_length, options_.slots);
    {
      std::lock_guard lock(stats_mutex_);
      stats_ = {.active = static_cast<uint32_t>(running_.size()),
                .units = static_cast<uint32_t>(acquirer_.cache().size()),
                .unit_bytes = acquirer_.cache().bytes(),
                .finished = finished_,
                .corruptions = acquirer_.corruptions(),
                .put_failures = acquirer_.put_failures(),
                .prefill_tokens_per_s = rate,
                .backlog_seconds = backlog,
                .kv_use = kv_use,
                .generated_tokens = stepper_.generated_tokens(),
                .load_cost = acquirer_.load_cost()};
    }
    if (!changes.empty() && deps_.on_residency) deps_.on_residency(std::move(changes));
  }

  // Constant after construction.
  const EngineDeps deps_;
  const EngineOptions options_;

  Inbox inbox_;

  // Guarded by stats_mutex_.
  mutable std::mutex stats_mutex_;
  EngineStats stats_;

  std::atomic<uint32_t> waiting_{0};  // submitted and not yet running

  // Owned by the engine thread.
  std::deque<EngineRequest> queue_;
  Sequences running_;
  Stepper stepper_;
  uint64_t finished_ = 0;
  bool busy_ = false;

  // Its own threads post to the inbox, so it goes before the inbox does.
  Acquirer acquirer_;
  Workload workload_{acquirer_};
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<Engine> StartEngine(EngineDeps deps, const EngineOptions& options) {
  return std::make_unique<EngineImpl>(std::move(deps), options);
}

}  // namespace promptcache
