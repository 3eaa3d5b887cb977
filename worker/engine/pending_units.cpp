#include "worker/engine/pending_units.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/log.h"
#include "worker/engine/account.h"

namespace promptcache {

PendingUnit* PendingUnits::Acquire(const UnitKey& key, const UnitOrder& order,
                                   const AcquireEvents& events) {
  const auto& [owner, recipe, domain, import, purpose] = order;
  const bool counts = purpose == Purpose::kAnswer;
  if (KeptUnitPtr unit = cache_.Find(key, import.lifetime)) {
    if (counts) writer_.NoteImport(key, import);
    events.on_arrival({.unit = std::move(unit), .usage = {.source = Source::kDevice}});
    return nullptr;
  }
  const auto [found, is_new] = units_.try_emplace(key);
  PendingUnit& unit = found->second;
  if (is_new) {
    unit = {.key = key, .known = recipe, .domain = domain, .lifetime = import.lifetime};
  }
  unit.waiting.push_back({owner, SystemClock().Now(), events});
  unit.lifetime = Longer(unit.lifetime, import.lifetime);
  AddImport(unit.imports.all, import);
  if (counts) AddImport(unit.imports.uses, import);
  if (unit.loading) events.on_loading(unit.loading);
  return is_new ? &unit : nullptr;
}

void PendingUnits::Abandon(const RequestId& owner) {
  for (auto& [key, unit] : units_) {
    std::erase_if(unit.waiting, [&](const auto& waiter) { return waiter.owner == owner; });
  }
}

RemovedUnits PendingUnits::Drop(const std::vector<UnitKey>& keys) {
  RemovedUnits removed = cache_.Remove(keys);
  for (const UnitKey& key : keys) {
    const auto found = units_.find(key);
    if (found != units_.end()) found->second.dropped = true;
    const bool under_way = writer_.Drop(key) || found != units_.end();
    const bool named = std::ranges::find(removed.held, key) != removed.held.end();
    if (under_way && !named) removed.held.push_back(key);
  }
  return removed;
}

const PendingUnit* PendingUnits::Find(const UnitKey& key) const {
  const auto found = units_.find(key);
  return found == units_.end() ? nullptr : &found->second;
}

double PendingUnits::seconds() const {
  double seconds = 0;
  for (const auto& [key, unit] : units_) seconds += unit.seconds;
  return seconds;
}

void PendingUnits::Loading(const KeptUnitPtr& unit) {
  const auto found = units_.find(unit->key);
  if (found == units_.end()) return;
  found->second.loading = unit;
  // A copy: who is told may end its request, and with it its wait.
  for (const auto& waiter : std::vector(found->second.waiting)) waiter.events.on_loading(unit);
}

void PendingUnits::Loaded(const KeptUnitPtr& unit, Source source, SteadyTime at) {
  const PendingUnit* const pending = Find(unit->key);
  if (pending != nullptr && !pending->dropped) {
    for (const Import& import : pending->imports.uses) writer_.NoteImport(unit->key, import);
  }
  Keep(unit);
  Deliver(unit->key, {.unit = unit, .usage = {.source = source}}, at);
}

void PendingUnits::LoadFailed(const UnitKey& key, const Status& status) {
  const auto found = units_.find(key);
  if (found == units_.end()) return;
  found->second.loading = nullptr;
  if (status.code() == Code::kDataLoss) {
    ++corruptions_;
    Log(LogLevel::kWarning, "stored unit is damaged; encoding it again",
        {{"key", key.ToHex()}, {"reason", status.message()}});
  }
  Encode(found->second, MissReasonOf(status));
}

void PendingUnits::Encode(PendingUnit& unit, std::string why) {
  unit.miss_reason = std::move(why);
  to_encode_.push_back(unit.key);
}

const PendingUnit* PendingUnits::NextToEncode() {
  while (!to_encode_.empty()) {
    const auto found = units_.find(to_encode_.front());
    to_encode_.pop_front();
    if (found == units_.end()) continue;
    if (!found->second.waiting.empty()) return &found->second;
    units_.erase(found);
  }
  return nullptr;
}

bool PendingUnits::ForgetUnwanted(const UnitKey& key) {
  const auto found = units_.find(key);
  if (found == units_.end() || !found->second.waiting.empty()) return false;
  units_.erase(found);
  return true;
}

void PendingUnits::Store(const KeptUnit& unit, StoreWriter::Put put) {
  const PendingUnit* const pending = Find(unit.key);
  if (pending == nullptr || pending->dropped) return;
  writer_.Store(unit, pending->imports, std::move(put));
}

void PendingUnits::Encoded(const KeptUnitPtr& unit, uint32_t tokens) {
  Keep(unit);
  Deliver(unit->key, {.unit = unit, .encoded_tokens = tokens}, SystemClock().Now());
}

void PendingUnits::Failed(const UnitKey& key, const Status& status) {
  Deliver(key, {.status = status}, SystemClock().Now());
}

void PendingUnits::Keep(const KeptUnitPtr& unit) {
  const PendingUnit* const pending = Find(unit->key);
  if (pending != nullptr && !pending->dropped)
    cache_.Insert(unit, pending->lifetime, pending->domain);
}

void PendingUnits::Deliver(const UnitKey& key, UnitArrival arrival, SteadyTime at) {
  const auto entry = units_.extract(key);
  if (entry.empty()) return;
  const PendingUnit& unit = entry.mapped();
  if (arrival.usage.source == Source::kEncoded) arrival.usage.miss_reason = unit.miss_reason;
  for (const auto& waiter : unit.waiting) {
    // Who asked when the last layer was there already has not waited.
    arrival.usage.milliseconds = std::max(0.0, MillisecondsBetween(waiter.since, at));
    waiter.events.on_arrival(arrival);
    arrival.encoded_tokens = 0;
  }
}

}  // namespace promptcache
