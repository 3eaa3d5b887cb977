// Recipes: what names them, and what a valid one is.
#include <gtest/gtest.h>

#include "common/recipe.h"

namespace promptcache {
namespace {

Recipe SmallRecipe() {
  return {.mode = EncodingMode::kAnchored,
          .context = {.ids = {1, 2}, .positions = {-2, -1}},
          .own = {.ids = {3, 4}, .positions = {0, 5}}};
}

TEST(Recipe, DigestDependsOnEveryField) {
  const RecipeDigest base = SmallRecipe().Digest();
  Recipe changed = SmallRecipe();
  changed.mode = EncodingMode::kIndependent;
  EXPECT_NE(changed.Digest(), base);
  changed = SmallRecipe();
  changed.context.positions[0] = -3;
  EXPECT_NE(changed.Digest(), base);
  changed = SmallRecipe();
  changed.own.ids[1] = 5;
  EXPECT_NE(changed.Digest(), base);
  changed = SmallRecipe();
  changed.hidden = {{1, 1}};
  EXPECT_NE(changed.Digest(), base);
}

TEST(Recipe, ValidateNamesEachBrokenInvariant) {
  EXPECT_TRUE(SmallRecipe().Validate().ok());
  Recipe recipe = SmallRecipe();
  recipe.own = {};
  EXPECT_EQ(recipe.Validate().message(), "recipe: no own tokens");
  recipe = SmallRecipe();
  recipe.own.positions[0] = 1;
  EXPECT_NE(recipe.Validate().message().find("not 0"), std::string::npos);
  recipe = SmallRecipe();
  recipe.context.positions[1] = 0;
  EXPECT_NE(recipe.Validate().message().find("not before"), std::string::npos);
  recipe = SmallRecipe();
  recipe.context.ids.push_back(1);
  EXPECT_NE(recipe.Validate().message().find("3 ids but 2 positions"), std::string::npos);
  recipe = SmallRecipe();
  recipe.own.ids[0] = -1;
  EXPECT_NE(recipe.Validate().message().find("negative"), std::string::npos);
}

TEST(Recipe, DigestSeparatesContextFromOwnTokens) {
  const Recipe all_own{.own = {.ids = {1, 2}, .positions = {0, 1}}};
  const Recipe behind{.context = {.ids = {1}, .positions = {-1}},
                      .own = {.ids = {2}, .positions = {0}}};
  EXPECT_NE(all_own.Digest(), behind.Digest());
}

Recipe RecipeWithHidden() {
  return {.own = {.ids = {1, 2, 3, 4, 5}, .positions = {0, 1, 2, 4, 6}},
          .hidden = {{1, 1}, {3, 1}}};
}

TEST(Recipe, RowsAreTheOwnTokensThatAreNotHidden) {
  EXPECT_EQ(RecipeWithHidden().rows(), 3U);
  EXPECT_EQ(RecipeWithHidden().RowPositions(), (std::vector<Position>{0, 2, 6}));
  EXPECT_EQ(SmallRecipe().RowPositions(), SmallRecipe().own.positions);
}

TEST(Recipe, HiddenTokensLieBetweenRows) {
  EXPECT_TRUE(RecipeWithHidden().Validate().ok());
  for (const std::vector<RowRange>& bad : {std::vector<RowRange>{{0, 1}},
                                           {{4, 1}},
                                           {{1, 0}},
                                           {{3, 1}, {1, 1}},
                                           {{1, 1}, {2, 1}},
                                           {{1, 0xFFFFFFFF}}}) {
    Recipe recipe = RecipeWithHidden();
    recipe.hidden = bad;
    EXPECT_NE(recipe.Validate().message().find("hidden"), std::string::npos);
  }
}

TEST(RecipeHasher, GivesTheRecipesDigestHoweverItsTokensWereAdded) {
  const Recipe recipe{.mode = EncodingMode::kSchema,
                      .context = {.ids = {7, 8, 9}, .positions = {-9, -8, -2}},
                      .own = {.ids = {1, 2, 3}, .positions = {0, 1, 5}},
                      .hidden = {{1, 1}}};
  RecipeHasher hasher;  // in the frame of a document
  hasher.Add(std::vector<TokenId>{7}, 100);
  hasher.Add(std::vector<TokenId>{}, 101);
  hasher.Add(std::vector<TokenId>{8}, 101);
  hasher.Add(std::vector<TokenId>{9}, 107);
  const RecipeHasher context = hasher;
  hasher.Add(std::vector<TokenId>{1, 2}, 109);
  hasher.Add(std::vector<TokenId>{3}, 114);
  EXPECT_EQ(hasher.Finish(recipe.mode, context.tokens(), recipe.hidden), recipe.Digest());
  EXPECT_EQ(context.tokens(), 3U);
}

TEST(RecipeHasher, ManyTokensAreHashedAsOneByOne) {
  std::vector<TokenId> ids(1000);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>(i * i);
  RecipeHasher whole;
  whole.Add(ids, 5);
  RecipeHasher single;
  for (size_t i = 0; i < ids.size(); ++i) {
    single.Add(std::span(ids).subspan(i, 1), static_cast<Position>(5 + i));
  }
  EXPECT_EQ(whole.Finish(EncodingMode::kAnchored, 0, {}),
            single.Finish(EncodingMode::kAnchored, 0, {}));
}

}  // namespace
}  // namespace promptcache
