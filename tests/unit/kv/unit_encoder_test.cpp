#include "worker/kv/unit_encoder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/kv/encode.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/model/llama_reference.h"

namespace promptcache {
namespace {

using testing::Encode;
using testing::Encoded;
using testing::MakeRecipe;
using testing::RandomIds;
using testing::ReferenceLogits;
using testing::RelativeDifference;
using testing::TokensAt;
using testing::WithHidden;

class UnitEncoderTest : public ::testing::TestWithParam<ComputeDtype> {
 protected:
  // Logits of `ask` behind the unit, whose first token stands at `shift`.
  std::vector<float> Ask(const Unit& unit, Position shift, const Tokens& ask) {
    Model& model = *loaded_.model;
    KvBuffer own(model.shape(), model.kv_options(), 8);
    const KeyRange range{.kv = &unit.kv, .rows = unit.kv.size(3), .shift = shift};
    SequenceStep step{
        .ids = ask.ids, .positions = ask.positions, .units = {&range, 1}, .own = &own};
    const auto logits = model.Forward({&step, 1});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    const float* row = logits->const_data_ptr<float>();
    return {row, row + logits->size(1)};
  }

  UnitPtr Fresh(const std::shared_ptr<const Recipe>& recipe) {
    ContextCache contexts;
    return Encode(*loaded_.model, contexts, recipe).unit;
  }

  LoadedModel loaded_ = testing::LoadTinyLlama(GetParam());
  const double tolerance_ = GetParam() == ComputeDtype::kFp32 ? 1e-5 : 0.05;
};

INSTANTIATE_TEST_SUITE_P(Dtype, UnitEncoderTest,
                         ::testing::Values(ComputeDtype::kFp32, ComputeDtype::kBf16),
                         [](const auto& test) {
                           return test.param == ComputeDtype::kFp32 ? "fp32" : "bf16";
                         });

// A question behind a unit that was encoded behind a context, which the question itself does not
// see.
TEST_P(UnitEncoderTest, UnitWithContextEqualsTheReferenceAnywhere) {
  const auto context = RandomIds(30, 1), own = RandomIds(50, 2), question = RandomIds(4, 3);
  for (const Position gap : {0, 7}) {
    const UnitPtr unit = Fresh(MakeRecipe(context, own, gap));
    for (const Position shift : {40, 1000}) {
      const Tokens ask = TokensAt(question, shift + 60);
      Tokens all = TokensAt(context, shift - gap - 30);
      for (size_t i = 0; i < own.size(); ++i) all.Append(own[i], shift + static_cast<Position>(i));
      for (size_t i = 0; i < ask.size(); ++i) all.Append(ask.ids[i], ask.positions[i]);
      const auto expected =
          ReferenceLogits(testing::TinyLlama::Random(), all,
                          [](size_t query, size_t key) { return query < 80 || key >= 30; });
      EXPECT_LE(RelativeDifference(Ask(*unit, shift, ask), expected), tolerance_)
          << "gap " << gap << ", shift " << shift;
    }
  }
}

TEST_P(UnitEncoderTest, LongUnitEqualsTheReference) {
  const auto own = RandomIds(600, 4);  // three chunks
  const Tokens ask = TokensAt({65}, 600);
  Tokens all = TokensAt(own, 0);
  all.Append(65, 600);
  EXPECT_LE(RelativeDifference(Ask(*Fresh(MakeRecipe({}, own)), 0, ask),
                               ReferenceLogits(testing::TinyLlama::Random(), all)),
            tolerance_);
}

// Two chunks: one range across their border, one token alone in the first, a long one in the
// second.
TEST_P(UnitEncoderTest, HiddenTokensAreSeenByLaterRowsAndByNobodyElse) {
  const auto context = RandomIds(20, 14), own = RandomIds(400, 15);
  const std::vector<RowRange> hidden = {{3, 1}, {250, 12}, {300, 90}};
  const UnitPtr unit = Fresh(WithHidden(MakeRecipe(context, own, 2), hidden));
  EXPECT_EQ(unit->kv.size(3), 400 - 103);
  const Position shift = 30;
  Tokens all = TokensAt(context, shift - 22);
  for (size_t i = 0; i < own.size(); ++i) all.Append(own[i], shift + static_cast<Position>(i));
  const Tokens ask = TokensAt({65, 66}, shift + 400);
  for (size_t i = 0; i < ask.size(); ++i) all.Append(ask.ids[i], ask.positions[i]);
  const auto is_row = [&](size_t key) {
    return key >= 20 && std::none_of(hidden.begin(), hidden.end(), [&](const RowRange& range) {
             return key - 20 >= range.first && key - 20 < range.end();
           });
  };
  const auto expected = ReferenceLogits(
      testing::TinyLlama::Random(), all,
      [&](size_t query, size_t key) { return query < 420 || key >= 420 || is_row(key); });
  EXPECT_LE(RelativeDifference(Ask(*unit, shift, ask), expected), tolerance_);
}

TEST_P(UnitEncoderTest, HiddenTokensChangeNoBitBefore) {
  const auto ids = RandomIds(300, 16);
  const UnitPtr plain = Fresh(MakeRecipe({}, ids));
  const UnitPtr hiding = Fresh(WithHidden(MakeRecipe({}, ids), {{100, 50}}));
  EXPECT_TRUE(at::equal(hiding->kv.narrow(3, 0, 100), plain->kv.narrow(3, 0, 100)));
  EXPECT_TRUE(at::equal(hiding->kv.narrow(3, 100, 150), plain->kv.narrow(3, 150, 150)));
}

TEST_P(UnitEncoderTest, SameRecipeSameBitsWhateverWasEncodedBefore) {
  const auto context = RandomIds(600, 5), own = RandomIds(40, 6);
  const auto recipe = WithHidden(MakeRecipe(context, own), {{10, 5}});
  const UnitPtr alone = Fresh(recipe);
  const std::vector<TokenId> head(context.begin(), context.begin() + 256);
  const std::vector<TokenId> cut(context.begin(), context.begin() + 300);
  std::vector<TokenId> longer = context;
  longer.insert(longer.end(), own.begin(), own.end());
  ContextCache contexts;
  for (const auto& before : {head, cut, longer, RandomIds(20, 7)}) {
    (void)Encode(*loaded_.model, contexts, MakeRecipe(before, own));
    EXPECT_TRUE(at::equal(Encode(*loaded_.model, contexts, recipe).unit->kv, alone->kv))
        << "after a context of " << before.size();
  }
}

TEST_P(UnitEncoderTest, SiblingsComputeTheirContextOnce) {
  const auto context = RandomIds(300, 8);
  ContextCache contexts;
  EXPECT_EQ(Encode(*loaded_.model, contexts, MakeRecipe(context, RandomIds(20, 9))).computed, 320u);
  EXPECT_EQ(Encode(*loaded_.model, contexts, MakeRecipe(context, RandomIds(21, 10))).computed, 21u);
  // Further away from it, too: a context has a frame of its own.
  EXPECT_EQ(Encode(*loaded_.model, contexts, MakeRecipe(context, RandomIds(22, 11), 500)).computed,
            22u);
}

TEST_P(UnitEncoderTest, UnitHoldsItsRowsOnly) {
  const UnitPtr unit = Fresh(MakeRecipe(RandomIds(10, 12), RandomIds(3, 13)));
  EXPECT_EQ(unit->kv.sizes(), (std::vector<int64_t>{3, 2, 2, 3, 16}));
  EXPECT_TRUE(unit->kv.is_contiguous());
  EXPECT_EQ(unit->kv.storage().nbytes(), unit->bytes);
}

TEST_P(UnitEncoderTest, OneTokenUnit) {
  const UnitPtr unit = Fresh(MakeRecipe({}, {65}));
  const Tokens all{{65, 66}, {3, 4}};
  EXPECT_LE(RelativeDifference(Ask(*unit, 3, {{66}, {4}}),
                               ReferenceLogits(testing::TinyLlama::Random(), all)),
            tolerance_);
}

}  // namespace
}  // namespace promptcache
