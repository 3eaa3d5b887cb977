// What people and programs are told: what is stored, what is missing and what it costs, how far the
// work has come, what was done.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/precompute/plan.h"
#include "tools/precompute/run.h"

namespace promptcache {

// How fast a model runs, for estimates.
struct Rate {
  double tokens_per_second = 0;
  bool given = false;  // by the user; else measured on this machine
};

struct ModelCoverage {
  const ModelPlan* plan = nullptr;  // with `stored`
  std::vector<WorkUnit> missing;
  std::optional<Rate> rate;  // absent: no seconds are told
};

uint64_t CountMissing(std::span<const ModelCoverage> models);

// {"models": [{"model", "identity", "units", "stored", "missing", "own_tokens", "context_tokens",
// "bytes", "tokens_per_second", "seconds", "schemas": [..], "missing_units": [..]}], "units", ..}:
// own and context tokens, bytes and seconds are those of encoding what is missing.
nlohmann::json CoverageToJson(std::span<const ModelCoverage> models);
// A table with a row for each schema, then a line and the first missing units for each model. A
// unit that several schemas share is in the rows of each and counts once in the lines.
std::string RenderCoverage(std::span<const ModelCoverage> models);

nlohmann::json OutcomeToJson(const std::string& model, const PrecomputeOutcome& outcome,
                             uint64_t stored_before);
// One line.
std::string RenderOutcome(const std::string& model, const PrecomputeOutcome& outcome,
                          uint64_t stored_before);

// "[#####-----]  3 of 8 units, 1200 of 4000 tokens, 5.0 MiB of 16.0 MiB, 12 s left"; the time
// left by the tokens of the time so far, "?" before there are any.
std::string ProgressText(const PrecomputeProgress& done, const PrecomputeProgress& total,
                         double seconds);

}  // namespace promptcache
