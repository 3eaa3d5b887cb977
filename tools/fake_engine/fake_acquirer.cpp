#include "tools/fake_engine/fake_acquirer.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr uint64_t kCallBytes = 256;  // about what one takes

}  // namespace

FakeAcquirer::FakeAcquirer(const EngineSetup& setup, FakeFormat format, Post post)
    : store_(setup.store),
      store_tier_(setup.store_tier),
      format_(std::move(format)),
      post_(std::move(post)),
      cache_(setup.options.unit_cache_bytes),
      calls_({.warn_bytes = setup.options.put_queue_bytes / 2,
              .max_bytes = setup.options.put_queue_bytes}) {
  if (store_ != nullptr) store_thread_ = std::jthread([this] { ServeStore(); });
}

FakeAcquirer::~FakeAcquirer() {
  if (store_ != nullptr) PushImports();
  closing_ = true;
  calls_.Close();
}

void FakeAcquirer::ServeStore() {
  bool store_is_gone = false;
  while (auto call = calls_.Pop()) {
    if (closing_ && store_is_gone) continue;  // each further call would wait for its timeout
    const Code code = (*call)().code();
    store_is_gone = code == Code::kUnavailable || code == Code::kDeadlineExceeded;
  }
}

bool FakeAcquirer::CallStore(StoreCall call, uint64_t bytes) {
  return store_ != nullptr && calls_.TryPush(std::move(call), bytes).ok();
}

// ---- acquiring ----

void FakeAcquirer::Acquire(const UnitOrder& order, OnArrival on_arrival) {
  const auto& [owner, recipe, domain, import, purpose] = order;
  const UnitKey key = MakeUnitKey(format_.digest, domain, recipe->digest);
  const bool counts = purpose == Purpose::kAnswer;
  if (auto unit = std::static_pointer_cast<const FakeUnit>(cache_.Find(key, import.lifetime))) {
    if (counts && store_ != nullptr) imports_.Add(key, import, SystemClock().Now());
    return on_arrival({.unit = std::move(unit), .usage = {.source = Source::kDevice}});
  }
  const auto [found, is_new] = pending_.try_emplace(key);
  Pending& pending = found->second;
  pending.waiting.push_back({owner, SystemClock().Now(), std::move(on_arrival)});
  pending.lifetime = is_new ? import.lifetime : Longer(pending.lifetime, import.lifetime);
  AddImport(pending.imports, import);
  if (counts) AddImport(pending.uses, import);
  if (!is_new) return;
  pending.known = recipe;
  Load(key, recipe);
}

void FakeAcquirer::Load(const UnitKey& key, const KnownRecipePtr& known) {
  const auto load = [this, key, known]() -> Status {
    if (closing_) return {};
    const SteadyTime start = SystemClock().Now();
    const Result<FakeUnitPtr> unit = LoadFakeUnit(*store_, format_, key, known);
    const double seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
    post_([this, key, unit, seconds] { Loaded(key, unit, seconds); });
    return unit.status();
  };
  if (CallStore(load, kCallBytes)) return;
  pending_.at(key).miss_reason = store_ == nullptr ? "no store" : "store unavailable";
  to_encode_.push_back(key);
}

void FakeAcquirer::Loaded(const UnitKey& key, const Result<FakeUnitPtr>& unit, double seconds) {
  const auto found = pending_.find(key);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  if (!unit.ok()) {
    if (unit.status().code() == Code::kDataLoss) ++corruptions_;
    pending.miss_reason = MissReasonOf(unit.status());
    return to_encode_.push_back(key);
  }
  loads_.Add(static_cast<double>((*unit)->bytes), seconds);
  if (!pending.dropped) {
    for (const Import& import : pending.uses) imports_.Add(key, import, SystemClock().Now());
  }
  Deliver(key, {.unit = *unit, .usage = {.source = store_tier_}});
}

bool FakeAcquirer::EncodeStep() {
  while (!to_encode_.empty()) {
    const UnitKey key = to_encode_.front();
    to_encode_.pop_front();
    const auto found = pending_.find(key);
    if (found == pending_.end()) continue;
    if (found->second.waiting.empty()) {
      pending_.erase(found);
      continue;
    }
    Encode(key, found->second);
    return true;
  }
  return false;
}

void FakeAcquirer::Encode(const UnitKey& key, const Pending& pending) {
  const FakeUnitPtr unit = EncodeFakeUnit(format_, key, pending.known);
  if (!pending.dropped) Put(unit, pending.imports);
  const Recipe& recipe = pending.known->recipe;
  Deliver(key,
          {.unit = unit,
           .usage = {.source = Source::kEncoded, .miss_reason = pending.miss_reason},
           .encoded_tokens = static_cast<uint32_t>(recipe.context.size() + recipe.own.size())});
}

void FakeAcquirer::Deliver(const UnitKey& key, FakeArrival arrival) {
  const auto entry = pending_.extract(key);
  const Pending& pending = entry.mapped();
  if (!pending.dropped) cache_.Insert(arrival.unit, pending.lifetime);
  const SteadyTime now = SystemClock().Now();
  for (const Waiter& waiter : pending.waiting) {
    arrival.usage.milliseconds = MillisecondsBetween(waiter.since, now);
    waiter.on_arrival(arrival);
    arrival.encoded_tokens = 0;
  }
}

void FakeAcquirer::Abandon(const RequestId& owner) {
  for (auto& [key, pending] : pending_) {
    std::erase_if(pending.waiting, [&](const Waiter& waiter) { return waiter.owner == owner; });
  }
}

RemovedUnits FakeAcquirer::Drop(const std::vector<UnitKey>& keys) {
  RemovedUnits removed = cache_.Remove(keys);
  for (const UnitKey& key : keys) {
    imports_.Remove(key);
    const auto pending = pending_.find(key);
    if (pending != pending_.end()) pending->second.dropped = true;
    const auto [put, end] = puts_.equal_range(key);
    for (auto it = put; it != end; ++it) *it->second = true;
    const bool under_way = pending != pending_.end() || put != end;
    const bool named = std::ranges::find(removed.held, key) != removed.held.end();
    if (under_way && !named) removed.held.push_back(key);
  }
  return removed;
}

// ---- writing ----

void FakeAcquirer::Put(const FakeUnitPtr& unit, const std::vector<Import>& imports) {
  auto dropped = std::make_shared<std::atomic<bool>>(false);
  const auto put = [this, unit, imports, dropped]() -> Status {
    const Status status = *dropped ? Status() : StoreFakeUnit(*store_, format_, *unit, imports);
    post_([this, dropped] {
      std::erase_if(puts_, [&](const auto& one) { return one.second == dropped; });
    });
    // Busy: another worker stores it.
    if (!status.ok() && status.code() != Code::kBusy) ++put_failures_;
    return status;
  };
  if (CallStore(put, unit->bytes)) puts_.emplace(unit->key, std::move(dropped));
}

void FakeAcquirer::TellImports() {
  if (SystemClock().Now() >= imports_.due()) PushImports();
}

void FakeAcquirer::PushImports() {
  auto imports = std::make_shared<std::vector<UnitImport>>(imports_.Take());
  if (imports->empty()) return;
  (void)CallStore([this, imports] { return store_->RecordImports(*imports); },
                  imports->size() * kCallBytes);
}

}  // namespace promptcache
