// Which units were imported, and by whom, that the store has not been told yet. Pure: time comes
// from the caller. Internal to worker/engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/references.h"

namespace promptcache {

// One entry for each reference; a later lifetime takes the place of an earlier one. Imports whose
// schema nobody named are left out.
void AddImport(std::vector<Import>& imports, const Import& import);

// Not thread safe.
class ImportLog {
 public:
  // An import waits for so long, together with those that follow it, and each reference to a unit
  // is told once in that time.
  static constexpr std::chrono::seconds kTellEvery{1};
  static constexpr size_t kMost = 1 << 16;

  // When it is full, the import is left out.
  void Add(const UnitKey& key, const Import& import, SteadyTime now);
  // When there is something to tell; SteadyTime::max() while nothing was added.
  SteadyTime due() const { return due_; }
  // Forgets what was to be told of the unit.
  void Remove(const UnitKey& key);
  // How many imports were left out since the last call.
  uint64_t TakeLeftOut() { return std::exchange(left_out_, 0); }
  // Everything, in no order.
  std::vector<UnitImport> Take();

 private:
  std::unordered_map<UnitKey, std::vector<Import>> units_;
  size_t count_ = 0;  // of all units
  uint64_t left_out_ = 0;
  SteadyTime due_ = SteadyTime::max();
};

}  // namespace promptcache
