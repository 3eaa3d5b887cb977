#include "tests/unit/layout/vectors.h"

#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

std::string Outcome(const json& vector) {
  const ToyCompiler compiler(vector.at("format").get<std::string>());
  LayoutOptions options;
  if (vector.contains("options")) options.max_tokens = vector["options"].value("max_tokens", 0U);
  const auto layout = compiler.LayoutOf(vector.at("schema"), options);
  if (!layout.ok()) return "error: " + layout.status().message();
  const std::string length = "length " + std::to_string(layout->length);
  if (vector.at("prompt").is_null()) return length;
  const auto plan = compiler.PlanOf(*layout, vector.at("prompt"));
  if (!plan.ok()) return "error: " + plan.status().message();
  const auto baseline =
      compiler.PlanOf(*layout, vector.at("prompt"), {.reuse = ReuseMode::kFullContiguous});
  if (!baseline.ok()) return "error: " + baseline.status().message();
  return length + "; cached " + compiler.Cached(*layout, *plan) + "; new " +
         compiler.Words(plan->new_tokens) + "; baseline " + compiler.Words(baseline->new_tokens);
}

TEST(ReferenceVectors, EveryVectorGivesItsTokensAndPositionsOrAKnownDeviation) {
  CheckVectors(Outcome);
}

}  // namespace
}  // namespace promptcache::testing
