#include "worker/kv/context_cache.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kv/recipes.h"
#include "tests/unit/model/tiny_llama.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RandomIds;
using testing::TokensAt;

Tokens WithGap(size_t before, size_t after) {
  Tokens tokens = TokensAt(RandomIds(before + after, 1), 0);
  for (size_t i = before; i < before + after; ++i) tokens.positions[i] += 100;
  return tokens;
}

TEST(ContextChunks, CutAtGapsAndAfterSoManyTokens) {
  EXPECT_THAT(ContextChunks({}), IsEmpty());
  EXPECT_THAT(ContextChunks(WithGap(1, 0)), ElementsAre(1));
  EXPECT_THAT(ContextChunks(WithGap(256, 0)), ElementsAre(256));
  EXPECT_THAT(ContextChunks(WithGap(257, 0)), ElementsAre(256, 257));
  EXPECT_THAT(ContextChunks(WithGap(10, 300)), ElementsAre(10, 266, 310));
}

class ContextCacheTest : public ::testing::Test {
 protected:
  // What an encoder does with the chain.
  std::shared_ptr<ContextChain> Fill(ContextCache& cache, const Tokens& context) {
    auto chain = cache.Prepare(context, *loaded_.model);
    for (auto i = static_cast<size_t>(ContextCache::SharedRows(*chain, context));
         i < context.size(); ++i) {
      chain->kv.Grow(std::span(&context.positions[i], 1));
      chain->tokens.Append(context.ids[i], context.positions[i]);
    }
    const at::Tensor& kv = chain->kv.tensor();
    kv.copy_(at::arange(kv.numel(), at::kFloat).view(kv.sizes()));
    return chain;
  }

  LoadedModel loaded_ = testing::LoadTinyLlama();
};

TEST_F(ContextCacheTest, SameContextIsTheSameChain) {
  ContextCache cache;
  const Tokens context = TokensAt(RandomIds(300, 1), 0);
  const auto chain = Fill(cache, context);
  EXPECT_EQ(cache.Prepare(context, *loaded_.model), chain);
  EXPECT_EQ(ContextCache::SharedRows(*chain, context), 300);
}

TEST_F(ContextCacheTest, KnowsHowMuchOfAContextItHas) {
  ContextCache cache;
  const Tokens all = TokensAt(RandomIds(600, 1), 0);
  Tokens begin = all;
  begin.ids.resize(300), begin.positions.resize(300);
  EXPECT_EQ(cache.MostShared(all), 0);
  (void)Fill(cache, TokensAt(RandomIds(600, 2), 0));
  EXPECT_EQ(cache.MostShared(all), 0);
  (void)Fill(cache, begin);
  EXPECT_EQ(cache.MostShared(begin), 300);
  EXPECT_EQ(cache.MostShared(all), 256);  // whole chunks only
}

TEST_F(ContextCacheTest, LongerContextContinuesTheChainInPlace) {
  ContextCache cache;
  const Tokens all = TokensAt(RandomIds(512, 1), 0);
  const auto chain = Fill(cache, TokensAt(RandomIds(256, 1), 0));
  EXPECT_EQ(cache.Prepare(all, *loaded_.model), chain);
}

TEST_F(ContextCacheTest, ContextCutElsewhereSharesWholeChunksOnly) {
  ContextCache cache;
  const Tokens all = TokensAt(RandomIds(400, 1), 0);  // chunks end at 256 and 400
  const auto chain = Fill(cache, all);
  const Tokens shorter = TokensAt(RandomIds(300, 1), 0);  // at 256 and 300
  EXPECT_EQ(ContextCache::SharedRows(*chain, shorter), 256);
  const auto other = cache.Prepare(shorter, *loaded_.model);
  EXPECT_NE(other, chain);
  EXPECT_EQ(other->tokens.size(), 256u);
  EXPECT_EQ(other->kv.size(), 256);
  EXPECT_TRUE(
      at::equal(other->kv.tensor().narrow(3, 0, 256), chain->kv.tensor().narrow(3, 0, 256)));
}

TEST_F(ContextCacheTest, OtherIdOrPositionSharesNothingFromThereOn) {
  ContextCache cache;
  const auto chain = Fill(cache, WithGap(10, 20));
  Tokens other_id = WithGap(10, 20);
  other_id.ids[12] ^= 1;
  EXPECT_EQ(ContextCache::SharedRows(*chain, other_id), 10);
  Tokens moved = WithGap(10, 20);
  for (size_t i = 10; i < moved.size(); ++i) ++moved.positions[i];
  EXPECT_EQ(ContextCache::SharedRows(*chain, moved), 10);
  other_id.ids[0] ^= 1;
  EXPECT_EQ(ContextCache::SharedRows(*chain, other_id), 0);
}

TEST_F(ContextCacheTest, KeepsTheMostRecentChains) {
  ContextCache cache(2);
  const auto context = [](uint64_t seed) { return TokensAt(RandomIds(20, seed), 0); };
  const auto a = Fill(cache, context(1)), b = Fill(cache, context(2));
  EXPECT_EQ(cache.Prepare(context(1), *loaded_.model), a);
  (void)Fill(cache, context(3));  // b is the oldest
  EXPECT_EQ(cache.Prepare(context(1), *loaded_.model), a);
  EXPECT_NE(cache.Prepare(context(2), *loaded_.model), b);
}

}  // namespace
}  // namespace promptcache
