#include "worker/engine/workload.h"

#include <algorithm>
#include <set>
#include <utility>

namespace promptcache {

double Workload::BacklogSeconds(const Sequences& running, const std::deque<EngineRequest>& waiting,
                                double tokens_per_s) {
  const SteadyTime now = SystemClock().Now();
  if (waiting.empty()) {
    waiting_units_s_ = 0;
  } else if (estimated_ == SteadyTime::min() || now - estimated_ >= kEstimateEvery) {
    waiting_units_s_ = SecondsOfUnits(waiting);
    estimated_ = now;
  }
  size_t tokens = 0;
  for (const auto& sequence : running) tokens += sequence->tokens_before_next();
  for (const EngineRequest& request : waiting) tokens += request.TokensToCompute();
  const double computing = tokens_per_s > 0 ? static_cast<double>(tokens) / tokens_per_s : 0;
  return acquirer_.SecondsLeft() + waiting_units_s_ + computing;
}

double Workload::SecondsOfUnits(const std::deque<EngineRequest>& waiting) const {
  double seconds = 0;
  std::set<std::pair<uint64_t, RecipeDigest>> seen;
  for (const EngineRequest& request : waiting) {
    for (const KnownRecipePtr& known : request.recipes) {
      if (!seen.emplace(request.domain, known->digest).second) continue;
      seconds += acquirer_.SecondsToAcquire(*known, request.domain);
    }
  }
  return seconds;
}

double KvUse(const Sequences& running, int64_t context_length, uint32_t slots) {
  int64_t rows = 0;
  for (const auto& sequence : running) rows += sequence->own_rows();
  const double most = static_cast<double>(context_length) * slots;
  return most > 0 ? std::min(1.0, static_cast<double>(rows) / most) : 0;
}

}  // namespace promptcache
