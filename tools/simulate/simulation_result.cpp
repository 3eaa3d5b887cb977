#include <algorithm>
#include <numeric>

#include "tools/simulate/simulation.h"

namespace promptcache {

double SimulationResult::Share(Source tier) const {
  const auto all = std::accumulate(unit_tokens.begin(), unit_tokens.end(), uint64_t{0});
  if (all == 0) return 0;
  return static_cast<double>(unit_tokens[static_cast<size_t>(tier)]) / static_cast<double>(all);
}

double SimulationResult::busy_balance() const {
  const double all = std::accumulate(busy_s.begin(), busy_s.end(), 0.0);
  if (all == 0) return 0;
  return *std::max_element(busy_s.begin(), busy_s.end()) /
         (all / static_cast<double>(busy_s.size()));
}

}  // namespace promptcache
