// Forward steps of a small model against the same model in double precision.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "tests/unit/model/llama_reference.h"
#include "tests/unit/model/tiny_llama.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;
using testing::RandomIds;
using testing::ReferenceLogits;
using testing::RelativeDifference;
using testing::TinyLlama;

constexpr double kFp32 = 1e-5;

Tokens At(std::vector<TokenId> ids, Position first) {
  Tokens tokens;
  for (const TokenId id : ids) tokens.Append(id, first++);
  return tokens;
}

Tokens Join(Tokens a, const Tokens& b) {
  for (size_t i = 0; i < b.size(); ++i) a.Append(b.ids[i], b.positions[i]);
  return a;
}

class ForwardTest : public ::testing::Test {
 protected:
  KvBuffer Buffer(int64_t capacity = 64) const {
    return KvBuffer(model().shape(), model().kv_options(), capacity);
  }

  std::vector<float> Run(const Tokens& tokens, KvBuffer& own, std::vector<KeyRange> units = {}) {
    SequenceStep step{
        .ids = tokens.ids, .positions = tokens.positions, .units = units, .own = &own};
    const auto logits = model().Forward({&step, 1});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    return Row(*logits, 0);
  }

  static std::vector<float> Row(const at::Tensor& logits, int64_t row) {
    const float* data = logits.const_data_ptr<float>() + row * logits.size(1);
    return {data, data + logits.size(1)};
  }

  Status RunStep(SequenceStep step) { return model().Forward({&step, 1}).status(); }

  Model& model() const { return *loaded_.model; }

  const TinyLlama llama_ = TinyLlama::Random();
  LoadedModel loaded_ = testing::LoadTinyLlama();
};

TEST_F(ForwardTest, PrefillEqualsTheReference) {
  const Tokens tokens = At(RandomIds(40, 7), 0);
  KvBuffer own = Buffer();
  EXPECT_LE(RelativeDifference(Run(tokens, own), ReferenceLogits(llama_, tokens)), kFp32);
  EXPECT_EQ(own.size(), 40);
}

TEST_F(ForwardTest, PositionsWithGapsEqualTheReference) {
  Tokens tokens;
  const auto ids = RandomIds(30, 8);
  for (size_t i = 0; i < ids.size(); ++i) {
    tokens.Append(ids[i], static_cast<Position>(5 + 3 * i + (i > 10 ? 900 : 0)));
  }
  KvBuffer own = Buffer();
  EXPECT_LE(RelativeDifference(Run(tokens, own), ReferenceLogits(llama_, tokens)), kFp32);
}

TEST_F(ForwardTest, StepsOfAnySizeGiveWhatOnePrefillGives) {
  const Tokens tokens = At(RandomIds(60, 9), 0);
  KvBuffer whole = Buffer();
  const std::vector<float> expected = Run(tokens, whole);
  for (const int64_t part : {1, 7, 13, 59}) {
    KvBuffer own = Buffer(1);  // grows on the way
    std::vector<float> logits;
    for (size_t i = 0; i < tokens.size(); i += static_cast<size_t>(part)) {
      Tokens some;
      for (size_t j = i; j < std::min(tokens.size(), i + static_cast<size_t>(part)); ++j) {
        some.Append(tokens.ids[j], tokens.positions[j]);
      }
      logits = Run(some, own);
    }
    EXPECT_LE(RelativeDifference(logits, std::span<const float>(expected)), kFp32) << part;
  }
}

TEST_F(ForwardTest, UnitMovedEqualsUnitComputedThere) {
  const Tokens local = At(RandomIds(33, 10), 0);
  const Tokens fresh = At(RandomIds(5, 11), 2100);
  KvBuffer unit = Buffer(33);
  (void)Run(local, unit);
  for (const Position shift : {0, 1, 37, 1000, 2067}) {
    KvBuffer own = Buffer();
    const std::vector<float> moved =
        Run(fresh, own, {{.kv = &unit.tensor(), .rows = 33, .shift = shift}});
    KvBuffer there = Buffer();
    (void)Run(At(local.ids, shift), there);
    const std::vector<float> computed = Run(fresh, there);
    EXPECT_LE(RelativeDifference(moved, std::span<const float>(computed)), kFp32) << shift;
    EXPECT_LE(RelativeDifference(moved, ReferenceLogits(llama_, Join(At(local.ids, shift), fresh))),
              kFp32)
        << shift;
  }
}

TEST_F(ForwardTest, RowsOfAUnitAreSeenByLaterTokensOnly) {
  const Tokens local = At(RandomIds(8, 12), 0);
  KvBuffer unit = Buffer(8);
  (void)Run(local, unit);
  // Tokens at 0..3, the unit at 4..11, tokens at 12..15: the first four see no row of the unit.
  Tokens fresh = Join(At(RandomIds(4, 13), 0), At(RandomIds(4, 14), 12));
  KvBuffer own = Buffer();
  const std::vector<float> logits =
      Run(fresh, own, {{.kv = &unit.tensor(), .rows = 8, .shift = 4, .first_query = 4}});
  // In the reference: the unit alone, then the tokens.
  const Tokens all = Join(At(local.ids, 4), fresh);
  const auto expected = ReferenceLogits(llama_, all, [](size_t query, size_t key) {
    const bool early = query >= 8 && query < 12;
    return !(early && key < 8);
  });
  EXPECT_LE(RelativeDifference(logits, expected), kFp32);
}

TEST_F(ForwardTest, SequencesOfAStepDoNotMeet) {
  const Tokens a = At(RandomIds(20, 15), 0), b = At(RandomIds(31, 16), 3), c = At({65}, 0);
  KvBuffer own_a = Buffer(), own_b = Buffer(), own_c = Buffer();
  std::vector<SequenceStep> steps = {
      {.ids = a.ids, .positions = a.positions, .own = &own_a},
      {.ids = b.ids, .positions = b.positions, .own = &own_b, .logits = Logits::kNone},
      {.ids = c.ids, .positions = c.positions, .own = &own_c}};
  const auto logits = model().Forward(steps);
  ASSERT_TRUE(logits.ok());
  ASSERT_EQ(logits->size(0), 2);
  EXPECT_LE(RelativeDifference(Row(*logits, 0), ReferenceLogits(llama_, a)), kFp32);
  EXPECT_LE(RelativeDifference(Row(*logits, 1), ReferenceLogits(llama_, c)), kFp32);
  // The one that wanted no logits has its keys and values all the same.
  const Tokens next = At({66}, 34);
  EXPECT_LE(RelativeDifference(Run(next, own_b), ReferenceLogits(llama_, Join(b, next))), kFp32);
}

TEST_F(ForwardTest, LayersBelowOneThatIsMissingAreComputed) {
  const Tokens fresh = At(RandomIds(5, 11), 2100);
  for (const int64_t rows : {int64_t{kGatherBelow}, int64_t{kGatherBelow} - 1}) {
    KvBuffer unit = Buffer(rows), own = Buffer();
    (void)Run(At(RandomIds(static_cast<size_t>(rows), 10), 0), unit);
    own.tensor().zero_();
    LayerArrival arrival;
    arrival.Add(), arrival.Add();
    arrival.Fail(DataLoss("layer 2"));
    const KeyRange range{.kv = &unit.tensor(), .rows = rows, .arrival = &arrival};
    const Status status = RunStep(
        {.ids = fresh.ids, .positions = fresh.positions, .units = {&range, 1}, .own = &own});
    EXPECT_EQ(status.message(), "layer 2");
    // A range that is short may be copied whole before the first layer.
    const bool streams = rows >= kGatherBelow;
    for (int64_t layer = 0; layer < 3; ++layer) {
      EXPECT_EQ(own.tensor().select(0, layer).any().item<bool>(), streams && layer < 2) << layer;
    }
  }
}

TEST_F(ForwardTest, LayersThatArriveDuringTheStepAreWaitedFor) {
  const Tokens fresh = At(RandomIds(5, 11), 2100);
  KvBuffer unit = Buffer(70), own = Buffer(), arriving = Buffer(70), streamed = Buffer();
  (void)Run(At(RandomIds(70, 10), 0), unit);
  arriving.tensor().fill_(NAN);
  LayerArrival arrival;
  std::thread loader([&] {
    for (int64_t layer = 0; layer < 3; ++layer) {
      arriving.tensor().select(0, layer).copy_(unit.tensor().select(0, layer));
      arrival.Add();
    }
  });
  const KeyRange whole{.kv = &unit.tensor(), .rows = 70};
  const KeyRange parts{.kv = &arriving.tensor(), .rows = 70, .arrival = &arrival};
  EXPECT_EQ(Run(fresh, streamed, {parts}), Run(fresh, own, {whole}));
  loader.join();
}

TEST_F(ForwardTest, Bf16StaysNearTheReference) {
  const LoadedModel bf16 = testing::LoadTinyLlama(ComputeDtype::kBf16);
  EXPECT_EQ(bf16.identity.dtype, "bf16");
  const Tokens tokens = At(RandomIds(40, 17), 0);
  KvBuffer own(bf16.model->shape(), bf16.model->kv_options(), 64);
  SequenceStep step{.ids = tokens.ids, .positions = tokens.positions, .own = &own};
  const auto logits = bf16.model->Forward({&step, 1});
  ASSERT_TRUE(logits.ok());
  EXPECT_LE(RelativeDifference(Row(*logits, 0), ReferenceLogits(llama_, tokens)), 0.05);
}

// ---- what a step may not be ----

TEST_F(ForwardTest, RefusesBrokenStepsAndChangesNothing) {
  KvBuffer own = Buffer(), unit = Buffer(4);
  const std::vector<TokenId> ids = {1, 2}, outside = {1, 260}, negative = {-1, 2};
  const std::vector<Position> up = {0, 1}, same = {1, 1}, one = {0};
  const auto message = [&](SequenceStep step) {
    const Status status = RunStep(step);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
    EXPECT_EQ(own.size(), 0);
    return status.message();
  };
  EXPECT_THAT(message({.ids = ids, .positions = up}), HasSubstr("no buffer"));
  EXPECT_THAT(message({.ids = {}, .positions = {}, .own = &own}), HasSubstr("0 ids"));
  EXPECT_THAT(message({.ids = ids, .positions = one, .own = &own}), HasSubstr("2 ids for 1"));
  EXPECT_THAT(message({.ids = outside, .positions = up, .own = &own}), HasSubstr("token id 260"));
  EXPECT_THAT(message({.ids = negative, .positions = up, .own = &own}), HasSubstr("token id -1"));
  EXPECT_THAT(message({.ids = ids, .positions = same, .own = &own}), HasSubstr("ascend"));
  const KeyRange past[] = {{.kv = &unit.tensor(), .first_row = 2, .rows = 3}};
  EXPECT_THAT(message({.ids = ids, .positions = up, .units = past, .own = &own}),
              HasSubstr("rows 2 + 3 of a unit with 4"));
  const at::Tensor half = unit.tensor().to(at::kHalf);
  const KeyRange other[] = {{.kv = &half, .rows = 1}};
  EXPECT_THAT(message({.ids = ids, .positions = up, .units = other, .own = &own}),
              HasSubstr("shape and dtype"));
  EXPECT_EQ(model().Forward({}).status().code(), Code::kInvalidArgument);
}

TEST_F(ForwardTest, RefusesABufferOfAnotherModel) {
  ModelShape other = model().shape();
  other.layers = 1;
  KvBuffer foreign(other, model().kv_options(), 4);
  const std::vector<TokenId> ids = {1};
  const std::vector<Position> at = {3};
  const Status status = RunStep({.ids = ids, .positions = at, .own = &foreign});
  EXPECT_THAT(status.message(), HasSubstr("another model"));
}

TEST(KvBufferTest, GrowsByDoublingAndKeepsItsRows) {
  const ModelShape shape{.layers = 2, .kv_heads = 1, .head_dim = 4};
  KvBuffer buffer(shape, at::TensorOptions().dtype(at::kFloat), 2);
  buffer.Grow(std::vector<Position>{3, 9});
  buffer.tensor().copy_(at::arange(32, at::kFloat).view(buffer.tensor().sizes()));
  const at::Tensor before = buffer.tensor().clone();
  buffer.Grow(std::vector<Position>{10});
  EXPECT_EQ(buffer.positions(), (std::vector<Position>{3, 9, 10}));
  EXPECT_EQ(buffer.size(), 3);
  EXPECT_EQ(buffer.tensor().size(3), 4);
  EXPECT_TRUE(at::equal(buffer.tensor().narrow(3, 0, 2), before));
}

}  // namespace
}  // namespace promptcache
