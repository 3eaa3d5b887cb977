// What simulations show, for people and programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/simulate/simulation.h"

namespace promptcache {

// Of one workload, one for each policy. Shares are 0 to 1, times seconds unless the name says
// otherwise.
nlohmann::json SimulationsToJson(const std::vector<SimulationResult>& results);
std::string RenderSimulations(const std::vector<SimulationResult>& results);
// Left: which share of requests had its first token after so many seconds (logarithmic). Right:
// where units were found.
std::string PlotSimulations(const std::vector<SimulationResult>& results);

}  // namespace promptcache
