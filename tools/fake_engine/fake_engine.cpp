#include "tools/fake_engine/fake_engine.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "tools/fake_engine/fake_sequence.h"
#include "worker/engine/inbox.h"
#include "worker/engine/pending_units.h"
#include "worker/engine/request_queue.h"
#include "worker/engine/store_writer.h"
#include "worker/kv/unit_cache.h"

namespace promptcache {
namespace {

constexpr uint64_t kLoadBytes = 256;  // about what one takes in the writer's queue

class FakeEngine : public Engine {
 public:
  FakeEngine(FakeModel model, EngineSetup setup)
      : model_(std::move(model)),
        setup_(std::move(setup)),
        requests_(setup_.options, inbox_, [this](const RequestId& id) { units_.Abandon(id); }),
        cache_(setup_.options.unit_cache_bytes),
        writer_(setup_.store, setup_.options.put_queue_bytes, inbox_),
        units_(cache_, writer_),
        thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

  ~FakeEngine() override {
    thread_.request_stop();
    inbox_.Post([] {});
    thread_.join();
  }

  Status Submit(EngineRequest request) override {
    PC_RETURN_IF_ERROR(
        request.Validate(model_.context_length, model_.tokenizer->vocabulary_size()));
    if (request.options.logprobs > 0) {
      return Unimplemented("a fake engine has no log-probabilities");
    }
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
        [this, keys = std::move(keys), done = std::move(done)] { done(units_.Drop(keys)); });
  }

 private:
  void Loop(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      inbox_.WaitAndRun(NextTurn());
      requests_.EndLate(SystemClock().Now());
      Admit();
      if (HasStep() && SystemClock().Now() >= next_step_) Step();
      Report();
    }
    inbox_.Run();
    requests_.EndAll(Unavailable("the worker is shutting down"));
  }

  bool HasStep() const {
    return units_.wants_encode() ||
           std::ranges::any_of(requests_.running(),
                               [](const auto& sequence) { return sequence->missing_units() == 0; });
  }

  // When there will be something to do, if nothing is posted before.
  SteadyTime NextTurn() const {
    constexpr SteadyTime::duration kLongest = std::chrono::hours(1);
    const SteadyTime expiry = SystemClock().Now() + std::min(kLongest, cache_.UntilNextExpiry());
    return std::min({expiry, writer_.imports_due(), requests_.NextDeadline(),
                     HasStep() ? next_step_ : SteadyTime::max()});
  }

  void Admit() {
    while (requests_.HasNext()) {
      AcquireUnits(requests_.Start(std::make_unique<FakeSequence>(
          requests_.TakeNext(), *model_.tokenizer, model_.words, SystemClock().Now())));
    }
  }

  void AcquireUnits(FakeSequence& sequence) {
    const EngineRequest& request = sequence.request();
    const size_t units = sequence.missing_units();
    if (units == 0) return sequence.Begin(SystemClock().Now());
    for (size_t i = 0; i < units; ++i) {
      Acquire(request.OrderOf(i), [this, id = request.id, i](UnitArrival arrival) {
        UnitArrived(id, i, std::move(arrival));
      });
    }
  }

  // The thread that writes to the store reads it, too.
  void Acquire(const UnitOrder& order, std::function<void(UnitArrival arrival)> on_arrival) {
    const UnitKey key = MakeUnitKey(model_.format.digest, order.domain, order.recipe->digest);
    PendingUnit* const unit = units_.Acquire(key, order, {.on_arrival = std::move(on_arrival)});
    if (unit == nullptr) return;
    const auto load = [this, key, known = order.recipe] {
      const SteadyTime start = SystemClock().Now();
      const Result<FakeUnitPtr> loaded = LoadFakeUnit(*setup_.store, model_.format, key, known);
      const double seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
      inbox_.Post([this, key, loaded, seconds] { Loaded(key, loaded, seconds); });
      return loaded.status();
    };
    if (writer_.Enqueue(load, kLoadBytes)) return;
    units_.Encode(*unit, setup_.store == nullptr ? "no store" : "store unavailable");
  }

  void Loaded(const UnitKey& key, const Result<FakeUnitPtr>& unit, double seconds) {
    if (!unit.ok()) return units_.LoadFailed(key, unit.status());
    loads_.Add(static_cast<double>((*unit)->bytes), seconds);
    units_.Loaded(*unit, setup_.store_tier, SystemClock().Now());
  }

  void EncodeNext() {
    const PendingUnit* const pending = units_.NextToEncode();
    if (pending == nullptr) return;
    const FakeUnitPtr unit = EncodeFakeUnit(model_.format, pending->key, pending->known);
    units_.Store(*unit, [this, unit](const std::vector<Import>& imports) {
      return StoreFakeUnit(*setup_.store, model_.format, *unit, imports);
    });
    const Recipe& recipe = unit->known->recipe;
    units_.Encoded(unit, static_cast<uint32_t>(recipe.context.size() + recipe.own.size()));
  }

  void UnitArrived(const RequestId& id, size_t unit, UnitArrival arrival) {
    FakeSequence& sequence = *requests_.Find(id);  // it would not wait if it had ended
    sequence.SetUnit(unit, std::move(arrival));
    if (sequence.missing_units() == 0) sequence.Begin(SystemClock().Now());
  }

  void Step() {
    const SteadyTime now = SystemClock().Now();
    next_step_ = now + model_.step;
    EncodeNext();
    for (const auto& sequence : requests_.running()) {
      if (sequence->missing_units() > 0) continue;
      sequence->Step(now);
      for (AnswerPart& part : sequence->TakeParts()) {
        generated_tokens_ += part.tokens.size();
        sequence->request().events.on_part(std::move(part));
      }
    }
    requests_.EndDone();
  }

  double KvUse() const {
    size_t rows = 0;
    for (const auto& sequence : requests_.running()) rows += sequence->rows();
    const auto most = static_cast<double>(model_.context_length) * setup_.options.slots;
    return std::min(1.0, static_cast<double>(rows) / most);
  }

  void Report() {
    writer_.TellImports();
    cache_.Trim();
    UnitChanges changes = cache_.TakeChanges();
    {
      std::lock_guard lock(stats_mutex_);
      stats_ = {.active = static_cast<uint32_t>(requests_.running().size()),
                .units = static_cast<uint32_t>(cache_.size()),
                .unit_bytes = cache_.bytes(),
                .finished = requests_.finished(),
                .corruptions = units_.corruptions(),
                .put_failures = writer_.put_failures(),
                .kv_use = KvUse(),
                .generated_tokens = generated_tokens_,
                .load_cost = loads_.known() ? loads_.Line() : CostLine{}};
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

  RequestQueue<FakeSequence> requests_;

  // Owned by the engine thread.
  SteadyTime next_step_ = SteadyTime::min();
  uint64_t generated_tokens_ = 0;
  LinearCost loads_;
  UnitCache cache_;
  StoreWriter writer_;  // its thread posts to the inbox, so it goes before the inbox does
  PendingUnits units_;

  std::jthread thread_;
};

}  // namespace

std::unique_ptr<Engine> StartFakeEngine(FakeModel model, EngineSetup setup) {
  return std::make_unique<FakeEngine>(std::move(model), std::move(setup));
}

}  // namespace promptcache
