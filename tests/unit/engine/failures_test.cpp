// Stores that fail and memory that runs out cost time, never an answer.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/encode.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/kv/tampering_store.h"
#include "worker/kv/unit_io.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

class EngineFailures : public EngineTest {
 protected:
  PlanMaker Prompt(uint64_t seed = 1) const {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, seed))).New(RandomIds(5, seed + 1));
  }

  MemoryBlobStore memory_;
  std::optional<TamperingStore> tampering_;
};

// ---- stores that fail ----

TEST_F(EngineFailures, DamagedBlobIsEncodedAgainWithTheSameAnswer) {
  Start(&memory_);
  const auto cold = Run(Prompt(), 12);
  engine_ = nullptr;
  const BlobInfo info = ListAll(memory_).value().at(0);
  for (const uint64_t offset : {uint64_t{0}, uint64_t{9}, uint64_t{100}, info.bytes - 1}) {
    TamperingStore& damaged = tampering_.emplace(memory_);
    damaged.Flip(offset, 0x10);
    Start(&damaged);
    const auto answer = Run(Prompt(), 12);
    EXPECT_EQ(answer->tokens(), cold->tokens()) << offset;
    EXPECT_THAT(answer->usage().units,
                ElementsAre(AllOf(Field(&UnitUsage::source, Source::kEncoded),
                                  Field(&UnitUsage::miss_reason, "checksum"))));
    engine_ = nullptr;  // its puts are done: the blob is there again
    EXPECT_EQ(damaged.corruption_reports(), 1u);
    EXPECT_EQ(memory_.Stats()->blobs, 1u);
    Start(&memory_);
    EXPECT_THAT(Run(Prompt(), 12)->usage().units, Each(Field(&UnitUsage::source, Source::kDisk)));
    engine_ = nullptr;
  }
}

TEST_F(EngineFailures, CorruptionsAreCounted) {
  Start(&memory_);
  (void)Run(Prompt());
  TamperingStore& damaged = tampering_.emplace(memory_);
  damaged.Flip(64, 1);
  Start(&damaged);
  (void)Run(Prompt());
  (void)Run(PlanMaker().New({1}), 1);  // statistics are written once a step
  EXPECT_EQ(engine_->stats().corruptions, 1u);
}

TEST_F(EngineFailures, StoreThatIsGoneMakesTheAnswerSlowerOnly) {
  Start();
  const auto expected = Run(Prompt(), 12);
  TamperingStore& gone = tampering_.emplace(memory_);
  gone.Fail(Unavailable("connection refused"));
  Start(&gone);
  const auto answer = Run(Prompt(), 12);
  EXPECT_TRUE(answer->status().ok());
  EXPECT_EQ(answer->tokens(), expected->tokens());
  EXPECT_THAT(answer->usage().units, Each(Field(&UnitUsage::miss_reason, "store unavailable")));
}

TEST_F(EngineFailures, BlobOfAnotherIdentityIsAMissThatNamesTheField) {
  // Keys follow from the identity, so only a store that mixes them up gives such a blob.
  Start();
  const PlanMaker prompt = Prompt();
  ContextCache contexts;
  Unit unit = *Encode(*loaded_.model, contexts, prompt.recipes()[0]).unit;
  unit.key = MakeUnitKey(loaded_.identity.Digest(), 0, unit.digest);
  Identity other = loaded_.identity;
  other.dtype = "fp8";
  ASSERT_TRUE(StoreUnit(memory_, unit, {other}).ok());
  Start(&memory_);
  const auto answer = Run(prompt, 4);
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->usage().units,
              Each(Field(&UnitUsage::miss_reason, AllOf(HasSubstr("dtype"), HasSubstr("fp8")))));
  engine_ = nullptr;  // its puts are done: the blob is what its key says
  Start(&memory_);
  EXPECT_THAT(Run(prompt, 4)->usage().units, Each(Field(&UnitUsage::source, Source::kDisk)));
}

// ---- memory ----

// A model so large that no buffer of its keys and values can be had: it would not even have
// addresses.
class HugeModel : public Model {
 public:
  const ModelShape& shape() const override { return shape_; }
  at::TensorOptions kv_options() const override { return at::TensorOptions().dtype(at::kFloat); }
  Result<at::Tensor> Forward(std::span<SequenceStep>) override { return Internal("unexpected"); }

 private:
  const ModelShape shape_{.layers = 1 << 26,
                          .kv_heads = 4096,
                          .head_dim = 256,
                          .vocabulary = 260,
                          .context_length = kTinyContext};
};

TEST_F(EngineFailures, MemoryThatCannotBeHadEndsTheRequestOnly) {
  HugeModel model;
  engine_ = StartEngine({.model = &model, .tokenizer = tokenizer_.get()}, options_);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Run(Prompt())->status().code(), Code::kResourceExhausted);
    EXPECT_EQ(Run(PlanMaker().New({1}))->status().code(), Code::kResourceExhausted);
  }
  engine_ = nullptr;
}

// Overflows behind every token `marked`.
class OverflowingModel : public Model {
 public:
  OverflowingModel(Model& model, TokenId marked) : model_(model), marked_(marked) {}
  const ModelShape& shape() const override { return model_.shape(); }
  at::TensorOptions kv_options() const override { return model_.kv_options(); }
  Result<at::Tensor> Forward(std::span<SequenceStep> steps) override {
    PC_ASSIGN_OR_RETURN(const at::Tensor logits, model_.Forward(steps));
    int64_t row = 0;
    for (const SequenceStep& step : steps) {
      if (step.logits == Logits::kNone) continue;
      if (step.ids.back() == marked_) logits.select(0, row)[3] = NAN;
      ++row;
    }
    return logits;
  }

 private:
  Model& model_;
  const TokenId marked_;
};

TEST_F(EngineFailures, LogitsThatAreNoNumbersEndTheirRequestOnly) {
  const PlanMaker good = PlanMaker().New({1, 2, 3}), bad = PlanMaker().New({4, 5, 6});
  const std::vector<TokenId> expected = Reference(good, 20), other = Reference(bad, 20);
  for (const TokenId marked : {TokenId{6}, other[4]}) {  // in the prompt, in the answer
    ASSERT_EQ(std::count(expected.begin(), expected.end(), marked), 0);
    loaded_ = LoadTinyLlama();
    OverflowingModel model(*loaded_.model, marked);
    engine_ = StartEngine({.model = &model, .tokenizer = tokenizer_.get()}, options_);
    EngineRequest request = Request(bad, 20);
    request.options.samples = 2;
    const auto broken = Submit(std::move(request)), whole = Submit(Request(good, 20));
    broken->Wait(), whole->Wait();
    EXPECT_EQ(broken->status().code(), Code::kDataLoss) << broken->status().ToString();
    EXPECT_EQ(whole->tokens(), expected);
    engine_ = nullptr;
  }
}

TEST_F(EngineFailures, UnitsThatNobodyWaitsForAnyMoreAreNotEncoded) {
  PlanMaker prompt;
  for (uint64_t i = 0; i < 3; ++i) prompt.Unit(MakeRecipe({}, RandomIds(300, i)));
  EngineRequest request = Request(prompt.New({1}));
  const RequestId id = request.id;
  loaded_ = LoadTinyLlama();
  // On the engine thread, as soon as the first unit is there.
  engine_ = StartEngine({.model = loaded_.model.get(),
                         .tokenizer = tokenizer_.get(),
                         .format = {loaded_.identity},
                         .on_residency = [&](auto) { engine_->Cancel(id); }},
                        options_);
  EXPECT_EQ(Run(std::move(request))->status().code(), Code::kCancelled);
  (void)Run(PlanMaker().New({1}), 30);  // as many steps as the other units would take, and more
  EXPECT_EQ(Stats().units, 1u);
  engine_ = nullptr;
}

TEST_F(EngineFailures, UnitsBeyondTheLimitGoWhenNobodyUsesThem) {
  options_.unit_cache_bytes = 3 * 40 * 2 * 3 * 2 * 16 * 4;  // three units of 40 tokens
  Start();
  for (uint64_t i = 0; i < 10; ++i) (void)Run(Prompt(10 * i), 1);
  EXPECT_EQ(Stats().units, 3u);
  EXPECT_LE(Stats().unit_bytes, options_.unit_cache_bytes);
}

TEST_F(EngineFailures, RequestLargerThanTheCacheStillAnswers) {
  options_.unit_cache_bytes = 1;
  Start();
  const PlanMaker prompt = PlanMaker()
                               .Unit(MakeRecipe({}, RandomIds(40, 1)))
                               .Unit(MakeRecipe({}, RandomIds(40, 2)))
                               .New(RandomIds(5, 3));
  EXPECT_EQ(Run(prompt, 12)->tokens(), Reference(prompt, 12));
}

TEST_F(EngineFailures, RequestsForOneUnitEncodeItOnce) {
  Start();
  std::vector<std::shared_ptr<Answer>> answers;
  const auto unit = MakeRecipe({}, RandomIds(300, 1));
  for (TokenId i = 0; i < 5; ++i) {
    answers.push_back(Submit(Request(PlanMaker().Unit(unit).New({i}), 4)));
  }
  uint32_t encoded = 0;
  for (const auto& answer : answers) {
    answer->Wait();
    EXPECT_TRUE(answer->status().ok());
    encoded += answer->usage().encoded_tokens;
  }
  EXPECT_EQ(encoded, 300u);
}

}  // namespace
}  // namespace promptcache::testing
