// A simulated worker: its rates and tiers. No queue, no time.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "coordinator/routing/fleet_worker.h"
#include "tools/simulate/workload.h"

namespace promptcache {

struct WorkerModel {
  WorkerRates rates;  // the true ones
  uint64_t device_bytes = 0;
  Source second = Source::kHost;  // the tier that takes what the device evicts: kHost or kDisk
  uint64_t second_bytes = 0;
  uint64_t kv_bytes_per_token = 128 << 10;
  uint64_t running_tokens = 200'000;  // that the memory for running requests takes
  double decode_token_s = 0.02;
  uint32_t slots = 1 << 16;
};
// 20,000 tokens/s, 40 GB on the device, 200 GB of host memory at 20 GB/s, a store at 3 GB/s.
WorkerModel GpuModel();
// 700 tokens/s, 40 GB of memory, 200 GB of disk at 2 GB/s, a store at 1 GB/s.
WorkerModel CpuModel();

// Units by last use.
class LruTier {
 public:
  explicit LruTier(uint64_t capacity) : capacity_(capacity) {}

  bool contains(uint32_t unit) const { return places_.contains(unit); }
  // Makes it the last used one. Gives those evicted for it, which is the unit itself when it is too
  // large.
  std::vector<uint32_t> Use(uint32_t unit, uint64_t bytes);
  double fill() const { return static_cast<double>(used_) / static_cast<double>(capacity_); }
  std::vector<uint32_t> units() const;

 private:
  struct Entry {
    uint32_t unit = 0;
    uint64_t bytes = 0;
  };
  uint64_t capacity_;
  uint64_t used_ = 0;
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<uint32_t, std::list<Entry>::iterator> places_;
};

class WorkerTiers {
 public:
  // Both outlive it.
  WorkerTiers(const WorkerModel& model, std::span<const uint32_t> unit_tokens)
      : model_(&model),
        unit_tokens_(unit_tokens),
        device_(model.device_bytes),
        second_(model.second_bytes) {}

  // It is on the device now, and was used last.
  void ToDevice(uint32_t unit);
  uint64_t BytesOf(uint32_t unit) const { return unit_tokens_[unit] * model_->kv_bytes_per_token; }
  // The fastest tier that holds it; kEncoded: none.
  Source TierOf(uint32_t unit) const;
  double device_fill() const { return device_.fill(); }
  std::vector<uint32_t> DeviceUnits() const { return device_.units(); }
  std::vector<uint32_t> Units() const;
  // Units whose tier may have changed since the last call; ascending.
  std::vector<uint32_t> TakeChanges();

 private:
  const WorkerModel* model_;
  std::span<const uint32_t> unit_tokens_;
  LruTier device_;
  LruTier second_;
  std::vector<uint32_t> changed_;
};

}  // namespace promptcache
