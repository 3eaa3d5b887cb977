#include "worker/service/recipe_cache.h"

#include <gtest/gtest.h>

namespace promptcache::testing {
namespace {

RecipeDigest DigestOf(uint8_t number) {
  RecipeDigest digest;
  digest.bytes.fill(number);
  return digest;
}

KnownRecipePtr RecipeOf(uint8_t number, size_t tokens = 1) {
  auto known = std::make_shared<KnownRecipe>();
  known->digest = DigestOf(number);
  for (size_t i = 0; i < tokens; ++i) known->recipe.own.Append(1, static_cast<Position>(i));
  return known;
}

TEST(RecipeCache, WhoHasNotAskedForARecipeAsksThoughItIsThere) {
  RecipeCache cache(100);
  cache.Insert(7, RecipeOf(1));
  EXPECT_NE(cache.Find(7, DigestOf(1)), nullptr);
  EXPECT_EQ(cache.Find(8, DigestOf(1)), nullptr);
  EXPECT_EQ(cache.Find(7, DigestOf(2)), nullptr);
}

TEST(RecipeCache, DropsWhatWasUsedLeastRecently) {
  RecipeCache cache(20);
  cache.Insert(7, RecipeOf(1, 10));
  cache.Insert(7, RecipeOf(2, 10));
  ASSERT_NE(cache.Find(7, DigestOf(1)), nullptr);
  cache.Insert(7, RecipeOf(3, 10));
  EXPECT_EQ(cache.Find(7, DigestOf(2)), nullptr);
  EXPECT_NE(cache.Find(7, DigestOf(1)), nullptr);
}

TEST(RecipeCache, UseByOneDomainKeepsNothingForAnother) {
  RecipeCache cache(30);
  for (const uint64_t domain : {7, 8}) cache.Insert(domain, RecipeOf(1, 10));
  cache.Insert(8, RecipeOf(2, 10));
  ASSERT_NE(cache.Find(7, DigestOf(1)), nullptr);
  cache.Insert(8, RecipeOf(3, 10));
  EXPECT_EQ(cache.Find(8, DigestOf(1)), nullptr);
}

}  // namespace
}  // namespace promptcache::testing
