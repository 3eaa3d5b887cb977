// Which items are in memory: those that could start now or soon.
#include <algorithm>

#include "coordinator/batch/batch_table.h"

namespace promptcache {

void BatchTable::LoadBefore(const Batch* next, BatchActions& actions) {
  while (running_ + loading_ < limits_.max_running && all_held_bytes_ < limits_.max_held_bytes) {
    Batch* first = nullptr;
    for (auto& [id, batch] : batches_) {
      const Batch* const before = first == nullptr ? next : first;
      if (before != nullptr && before->Order() < batch.Order()) continue;
      if (CanLoad(batch)) first = &batch;
    }
    if (first == nullptr) return;
    first->loading = true;
    ++loading_;
    actions.emplace_back(LoadItems{first->owned.ref, first->next});
  }
}

bool BatchTable::CanLoad(Batch& batch) const {
  if (!batch.waiting.empty() || batch.loading || !HasRoom(batch)) return false;
  const std::vector<bool>& ended = batch.owned.ended;
  while (batch.next < ended.size() && ended[batch.next]) ++batch.next;
  if (batch.next == ended.size()) return false;
  const auto held = held_bytes_.find(batch.owned.info.tenant);
  return held == held_bytes_.end() || held->second < limits_.max_tenant_held_bytes;
}

BatchActions BatchTable::ItemsLoaded(const BatchRef& ref, BatchItems loaded, SteadyTime now) {
  BatchActions actions;
  Batch* const batch = Owned(ref);
  if (batch == nullptr || !batch->loading) return actions;
  batch->loading = false;
  --loading_;
  const std::vector<bool>& ended = batch->owned.ended;
  const auto size = static_cast<uint32_t>(ended.size());
  const uint32_t first = batch->next;
  for (; batch->next < std::min(loaded.first, size); ++batch->next) {
    if (!ended[batch->next]) Wait(*batch, batch->next, std::nullopt);
  }
  for (size_t i = batch->next - loaded.first; i < loaded.items.size() && batch->next < size; ++i) {
    if (!ended[batch->next]) Wait(*batch, batch->next, std::move(loaded.items[i]));
    ++batch->next;
  }
  if (batch->next == first && first < size) Wait(*batch, batch->next++, std::nullopt);
  Run(now, actions);
  return actions;
}

uint64_t BatchTable::HeldBytes(const BatchItem& item) { return sizeof(item) + BytesOf(item); }

void BatchTable::Wait(Batch& batch, uint32_t number, std::optional<BatchItem> item) {
  const uint64_t bytes = item ? HeldBytes(*item) : HeldBytes({});
  batch.held_bytes += bytes;
  held_bytes_[batch.owned.info.tenant] += bytes;
  all_held_bytes_ += bytes;
  const Place place{.behind = item ? -int32_t{item->submit.priority} : 0, .number = number};
  batch.waiting.emplace(place, std::move(item));
}

void BatchTable::Release(Batch& batch, uint64_t bytes) {
  batch.held_bytes -= bytes;
  all_held_bytes_ -= bytes;
  const auto held = held_bytes_.find(batch.owned.info.tenant);
  if (held != held_bytes_.end() && (held->second -= bytes) == 0) held_bytes_.erase(held);
}

}  // namespace promptcache
