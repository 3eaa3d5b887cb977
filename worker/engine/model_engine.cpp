#include "worker/engine/model_engine.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "worker/engine/acquirer.h"
#include "worker/engine/inbox.h"
#include "worker/engine/request_queue.h"
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
        requests_(options, inbox_, [this](const RequestId& id) { acquirer_.Abandon(id); }),
        stepper_(*deps_.model, options.prefill_chunk_tokens,
                 [this](const RequestId& id, const Status& status) { requests_.End(id, status); }),
        acquirer_(*deps_.model, deps_.store, deps_.format,
                  {.unit_cache_bytes = options.unit_cache_bytes,
                   .clock = deps_.clock,
                   .loader_threads = options.loader_threads,
                   .put_queue_bytes = options.put_queue_bytes,
                   .store_tier = deps_.store_tier},
                  inbox_),
        thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

  ~EngineImpl() override {
    thread_.request_stop();
    inbox_.Post([] {});
    thread_.join();
  }

  Status Submit(EngineRequest request) override {
    const ModelShape& shape = deps_.model->shape();
    PC_RETURN_IF_ERROR(request.Validate(shape.context_length, shape.vocabulary));
    return requests_.Submit(std::move(request));
  }

  void Cancel(const RequestId& id) override { requests_.Cancel(id); }

  EngineStats stats() const override {
    std::lock_guard lock(stats_mutex_);
    EngineStats stats = stats_;
    stats.queued = requests_.queued();
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
        inbox_.WaitAndRun(NextTurn());
      }
      requests_.EndLate(SystemClock().Now());
      Admit();
      const bool encoded = acquirer_.EncodeStep();
      const bool stepped = Step();
      ReportChanges();
      busy_ = encoded || stepped;
    }
    inbox_.Run();
    requests_.EndAll(Unavailable("the worker is shutting down"));
  }

  bool HasWork() const { return busy_ || acquirer_.wants_step() || requests_.HasNext(); }

  // When there will be something to do, if nothing is posted before.
  SteadyTime NextTurn() {
    constexpr SteadyTime::duration kLongest = std::chrono::hours(1);
    const SteadyTime expiry =
        SystemClock().Now() + std::min(kLongest, acquirer_.cache().UntilNextExpiry());
    return std::min({expiry, acquirer_.writer().imports_due(), requests_.NextDeadline()});
  }

  void Admit() {
    while (requests_.HasNext()) {
      AcquireUnits(requests_.Start(
          std::make_unique<Sequence>(requests_.TakeNext(), *deps_.tokenizer, SystemClock().Now())));
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
          {.on_loading = [this, id, i](const KeptUnitPtr& unit) { UnitLoading(id, i, unit); },
           .on_arrival = [this, id,
                          i](UnitArrival arrival) { UnitArrived(id, i, std::move(arrival)); }});
    }
  }

  void UnitLoading(const RequestId& id, size_t index, const KeptUnitPtr& unit) {
    Sequence* const sequence = requests_.Find(id);
    if (sequence == nullptr) return;
    sequence->SetLoading(index, std::static_pointer_cast<const Unit>(unit));
    BeginIfReady(*sequence);
  }

  void UnitArrived(const RequestId& id, size_t index, UnitArrival arrival) {
    if (!arrival.status.ok()) return requests_.End(id, arrival.status);
    Sequence* const sequence = requests_.Find(id);
    if (sequence == nullptr) return;
    sequence->SetUnit(index, std::static_pointer_cast<const Unit>(arrival.unit),
                      std::move(arrival.usage), arrival.encoded_tokens);
    BeginIfReady(*sequence);
  }

  void BeginIfReady(Sequence& sequence) {
    if (!sequence.can_begin()) return;
    const Status status = sequence.Begin(*deps_.model, SystemClock().Now());
    if (!status.ok()) requests_.End(sequence.request().id, status);
  }

  // False when there was none to take. A step that may have to wait for layers is taken only when
  // nobody else has one.
  bool Step() {
    const Sequences& running = requests_.running();
    const bool stepped =
        stepper_.Step(running) || (!acquirer_.wants_step() && stepper_.StepAhead(running));
    requests_.EndDone();
    return stepped;
  }

  void ReportChanges() {
    acquirer_.writer().TellImports();
    acquirer_.cache().Trim();
    UnitChanges changes = acquirer_.cache().TakeChanges();
    const double rate = stepper_.prefill_rate();
    const double backlog = workload_.BacklogSeconds(requests_.running(), requests_.waiting(), rate);
    const double kv_use =
        KvUse(requests_.running(), deps_.model->shape().context_length, options_.slots);
    {
      std::lock_guard lock(stats_mutex_);
      stats_ = {.active = static_cast<uint32_t>(requests_.running().size()),
                .units = static_cast<uint32_t>(acquirer_.cache().size()),
                .unit_bytes = acquirer_.cache().bytes(),
                .finished = requests_.finished(),
                .corruptions = acquirer_.corruptions(),
                .put_failures = acquirer_.writer().put_failures(),
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

  RequestQueue<Sequence> requests_;

  // Owned by the engine thread.
  Stepper stepper_;
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
