#include "tools/simulate/worker_model.h"

#include <algorithm>
#include <utility>

namespace promptcache {

WorkerModel GpuModel() {
  return {.rates = {.prefill_tokens_per_s = 20'000,
                    .host = {.fixed_s = 0.0002, .bytes_per_s = 20e9},
                    .remote = {.fixed_s = 0.001, .bytes_per_s = 3e9}},
          .device_bytes = 40'000'000'000,
          .second_bytes = 200'000'000'000};
}

WorkerModel CpuModel() {
  return {.rates = {.prefill_tokens_per_s = 700,
                    .disk = {.fixed_s = 0.001, .bytes_per_s = 2e9},
                    .remote = {.fixed_s = 0.001, .bytes_per_s = 1e9}},
          .device_bytes = 40'000'000'000,
          .second = Source::kDisk,
          .second_bytes = 200'000'000'000,
          .decode_token_s = 0.05};
}

std::vector<uint32_t> LruTier::Use(uint32_t unit, uint64_t bytes) {
  const auto found = places_.find(unit);
  if (found != places_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return {};
  }
  entries_.push_front({.unit = unit, .bytes = bytes});
  places_[unit] = entries_.begin();
  used_ += bytes;
  std::vector<uint32_t> evicted;
  while (used_ > capacity_) {
    const Entry last = entries_.back();
    entries_.pop_back();
    places_.erase(last.unit);
    used_ -= last.bytes;
    evicted.push_back(last.unit);
  }
  return evicted;
}

std::vector<uint32_t> LruTier::units() const {
  std::vector<uint32_t> units;
  for (const Entry& entry : entries_) units.push_back(entry.unit);
  return units;
}

Source WorkerTiers::TierOf(uint32_t unit) const {
  if (device_.contains(unit)) return Source::kDevice;
  return second_.contains(unit) ? model_->second : Source::kEncoded;
}

void WorkerTiers::ToDevice(uint32_t unit) {
  if (!device_.contains(unit)) changed_.push_back(unit);
  for (const uint32_t evicted : device_.Use(unit, BytesOf(unit))) {
    changed_.push_back(evicted);
    const std::vector<uint32_t> gone = second_.Use(evicted, BytesOf(evicted));
    changed_.insert(changed_.end(), gone.begin(), gone.end());
  }
}

std::vector<uint32_t> WorkerTiers::Units() const {
  std::vector<uint32_t> units = device_.units();
  for (const uint32_t unit : second_.units()) {
    if (!device_.contains(unit)) units.push_back(unit);
  }
  return units;
}

std::vector<uint32_t> WorkerTiers::TakeChanges() {
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  return std::exchange(changed_, {});
}

}  // namespace promptcache
