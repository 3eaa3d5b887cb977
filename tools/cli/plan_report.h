// A plan in full: every token with where it comes from.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/types.h"
#include "coordinator/layout/layout.h"

namespace promptcache {

struct PlanToken {
  TokenId id = 0;
  Position position = 0;
  std::optional<uint32_t> unit;  // index in Plan::units; none: computed
};

// All tokens of the plan by position. REQUIRES: the plan is of this layout.
std::vector<PlanToken> TokensOf(const Layout& layout, const Plan& plan);

// {length, next_position, tokens: [{text, id, position, source, unit}], units: [{path, digest,
// start, tokens, context, mode, lifetime, key?}], cached_tokens, computed_tokens, repair,
// linked_tokens, repaired_tokens}. Keys are those of units under `identity`.
nlohmann::json PlanReport(const Layout& layout, const Plan& plan, const Tokenizer& tokenizer,
                          const std::optional<Identity>& identity);

}  // namespace promptcache
