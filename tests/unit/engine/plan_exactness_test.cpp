// Plans at random against what plans and recipes mean, in double precision.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/engine/compiled_prompt.h"

namespace promptcache::testing {
namespace {

// Contexts and own tokens with gaps, hidden ranges, every run of rows somewhere else, new tokens
// between them.
class RandomPlan {
 public:
  explicit RandomPlan(uint64_t seed) : random_(seed) {}

  CompiledPrompt Make() {
    for (uint32_t unit = 0; unit < 4; ++unit) {
      const Recipe recipe = MakeRecipe();
      prompt_.plan.units.push_back({recipe.Digest(), "s", recipe.rows()});
      prompt_.recipes.push_back(std::make_shared<const Recipe>(recipe));
      AddSegments(unit, recipe.RowPositions());
    }
    AddNew(2);
    prompt_.plan.next_position = next_;
    EXPECT_TRUE(prompt_.plan.Validate().ok());
    return prompt_;
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }

  Tokens MakeTokens(uint64_t count, Position first) {
    Tokens tokens;
    for (; count > 0; --count) {
      tokens.Append(static_cast<TokenId>(Below(256)), first);
      first += Below(3) == 0 ? 4 : 1;
    }
    return tokens;
  }
  Recipe MakeRecipe() {
    Recipe recipe{.context = MakeTokens(Below(12), -60), .own = MakeTokens(3 + Below(15), 0)};
    for (uint32_t at = 1; at + 3 < recipe.own.size(); at += 4) {
      if (Below(2) == 0) recipe.hidden.push_back({at, static_cast<uint32_t>(1 + Below(2))});
    }
    EXPECT_TRUE(recipe.Validate().ok());
    return recipe;
  }
  void AddSegments(uint32_t unit, const std::vector<Position>& rows) {
    for (uint32_t row = 0; row < rows.size(); ++row) {
      if (row > 0 && rows[row] == rows[row - 1] + 1) {
        ++prompt_.plan.segments.back().rows;
      } else {
        AddNew(Below(3));
        next_ += static_cast<Position>(Below(5));
        prompt_.plan.segments.push_back({.unit = unit,
                                         .first_row = row,
                                         .rows = 1,
                                         .first_position = next_,
                                         .shift = next_ - rows[row]});
      }
      ++next_;
    }
  }
  void AddNew(uint64_t count) {
    for (; count > 0; --count) {
      prompt_.plan.new_tokens.Append(static_cast<TokenId>(Below(256)), next_++);
    }
  }

  std::mt19937_64 random_;
  CompiledPrompt prompt_;
  Position next_ = 0;
};

using PlanExactness = PmlTest;

TEST_F(PlanExactness, AnyPlanEqualsTheReference) {
  Start();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const CompiledPrompt prompt = RandomPlan(seed).Make();
    EXPECT_LE(
        RelativeDifference(ModelLogits(*loaded_.model, prompt), ReferenceLogits(llama_, prompt)),
        1e-5)
        << seed;
    EXPECT_TRUE(Run(RequestFor(prompt, 2))->status().ok()) << seed;
  }
}

}  // namespace
}  // namespace promptcache::testing
