// How much work and memory an engine's requests are. Internal to worker/engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "common/clock.h"
#include "worker/engine/acquirer.h"
#include "worker/engine/stepper.h"

namespace promptcache {

// Belongs to the engine thread.
class Workload {
 public:
  // The acquirer outlives it.
  explicit Workload(const Acquirer& acquirer) : acquirer_(acquirer) {}

  // Of work that comes before a request that would arrive now, up to its first token: units that
  // are on their way or that waiting requests lack, each by the cheaper of what loads and encodes
  // have cost, and tokens of prompts that are yet to compute, at `tokens_per_s`. What was never
  // measured counts for nothing. Tokens that are being generated are no such work: they share their
  // steps with whoever comes.
  double BacklogSeconds(const Sequences& running, const std::deque<EngineRequest>& waiting,
                        double tokens_per_s);

 private:
  static constexpr std::chrono::milliseconds kEstimateEvery{200};  // of many waiting requests

  double SecondsOfUnits(const std::deque<EngineRequest>& waiting) const;

  const Acquirer& acquirer_;
  double waiting_units_s_ = 0;
  SteadyTime estimated_ = SteadyTime::min();
};

// The rows of keys and values that requests have of their own, units not counted, as a share of
// those that they would have if every slot's answer filled the model's context; 0 to 1. There is no
// other limit to them.
double KvUse(const Sequences& running, int64_t context_length, uint32_t slots);

}  // namespace promptcache
