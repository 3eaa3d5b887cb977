#include "worker/engine/known_recipe.h"

#include <gtest/gtest.h>

#include "tests/unit/engine/plan_maker.h"

namespace promptcache::testing {
namespace {

TEST(KnownRecipe, KnowsWhichOwnTokenEachRowIs) {
  const Recipe recipe{.context = {{900, 2}, {-9, -8}},
                      .own = {{3, 4, 5, 6, 7, 8}, {0, 1, 2, 5, 6, 7}},
                      .hidden = {{1, 1}, {3, 2}}};
  const KnownRecipePtr known = Known(recipe);
  EXPECT_EQ(known->recipe, recipe);
  EXPECT_EQ(known->digest, recipe.Digest());
  EXPECT_EQ(known->largest_id, 900);
  const std::vector<Position> positions = recipe.RowPositions();
  ASSERT_EQ(positions.size(), 3u);
  for (uint32_t row = 0; row < 3; ++row) {
    EXPECT_EQ(recipe.own.positions[known->OwnIndex(row)], positions[row]) << row;
  }
}

TEST(KnownRecipe, RowsAreTheOwnTokensWhenNoneIsHidden) {
  const KnownRecipePtr known = Known({.own = {{3, 4}, {0, 1}}});
  EXPECT_EQ(known->OwnIndex(0), 0u);
  EXPECT_EQ(known->OwnIndex(1), 1u);
}

TEST(KnownRecipe, IsNeverMadeOfAnInvalidOne) {
  EXPECT_EQ(MakeKnownRecipe({}).status().code(), Code::kInvalidArgument);
  const Recipe ends_hidden{.own = {{3, 4}, {0, 1}}, .hidden = {{1, 1}}};
  EXPECT_EQ(MakeKnownRecipe(ends_hidden).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace promptcache::testing
