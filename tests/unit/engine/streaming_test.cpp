// Requests that compute while their units are still being loaded.
#include <gmock/gmock.h>

#include <future>

#include "cachestore/format/blob_io.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/gated_store.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/kv/tampering_store.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;

constexpr uint32_t kRows = 80;  // enough to be read in place, layer by layer

// Says when forward steps that read units begin.
class WatchedModel : public Model {
 public:
  explicit WatchedModel(Model& model) : model_(model) {}
  const ModelShape& shape() const override { return model_.shape(); }
  at::TensorOptions kv_options() const override { return model_.kv_options(); }
  Result<at::Tensor> Forward(std::span<SequenceStep> steps) override {
    const bool reads_units = !steps[0].units.empty();
    if (reads_units && ++forwards_ == 1) began_.set_value();
    return model_.Forward(steps);
  }
  void WaitForForward() { began_.get_future().wait(); }
  int forwards() const { return forwards_; }

 private:
  Model& model_;
  std::promise<void> began_;
  std::atomic<int> forwards_{0};
};

class EngineStreaming : public EngineTest {
 protected:
  EngineStreaming() {
    Start(&memory_);
    expected_ = Run(prompt_, 12)->tokens();
    (void)Run(stored_, 1);
    engine_ = nullptr;  // its puts are done
    const BlobInfo info = ListAll(memory_).value().at(0);
    const auto reader = memory_.Open(info.key).value();
    header_ = ReadBlobHeader(*reader).value();
  }

  void TearDown() override {
    gated_.Open();
    engine_ = nullptr;
  }

  // An engine that has nothing in memory, whose reads wait before layer `layer`.
  void StartHeld(size_t layer) {
    loaded_ = LoadTinyLlama();
    model_.emplace(*loaded_.model);
    gated_.CloseFrom(header_.segments[layer].offset);
    engine_ = StartEngine({.model = &*model_,
                           .tokenizer = tokenizer_.get(),
                           .store = &gated_,
                           .format = {loaded_.identity}},
                          options_);
  }

  static auto CameFrom(Source source) { return Each(Field(&UnitUsage::source, source)); }

  const PlanMaker prompt_ =
      PlanMaker().Unit(MakeRecipe({}, RandomIds(kRows, 1))).New(RandomIds(5, 2));
  const PlanMaker stored_ =
      PlanMaker().Unit(MakeRecipe({}, RandomIds(kRows, 3))).New(RandomIds(5, 2));
  std::vector<TokenId> expected_;  // of prompt_
  BlobHeader header_;
  MemoryBlobStore memory_;
  TamperingStore tampering_{memory_};
  GatedStore gated_{tampering_};
  std::optional<WatchedModel> model_;
};

TEST_F(EngineStreaming, StepBeginsBeforeTheLastLayerHasArrived) {
  StartHeld(2);
  const auto answer = Submit(Request(prompt_, 12));
  model_->WaitForForward();  // would wait for ever if it needed the last layer
  gated_.Open();
  answer->Wait();
  EXPECT_EQ(answer->tokens(), expected_);
  EXPECT_THAT(answer->usage().units, CameFrom(Source::kDisk));
}

TEST_F(EngineStreaming, UnitsOfARequestArriveLayerByLayerTogether) {
  PlanMaker prompt;
  for (uint64_t i = 0; i < 4; ++i) prompt.Unit(MakeRecipe({}, RandomIds(kRows, 10 + i)));
  prompt.New(RandomIds(5, 2));
  Start(&memory_);
  const auto quiet = Run(prompt, 12);
  engine_ = nullptr;
  StartHeld(0);
  const auto answer = Submit(Request(prompt, 12));
  // All loads wait before any reads its first layer: the engine has admitted the request.
  (void)Stats();
  gated_.OpenUpTo(header_.segments[2].offset);
  model_->WaitForForward();  // the one loader thread waits for the last layer of the first
  gated_.Open();
  answer->Wait();
  EXPECT_EQ(answer->tokens(), quiet->tokens());
  EXPECT_THAT(answer->usage().units, CameFrom(Source::kDisk));
}

TEST_F(EngineStreaming, LayerDamagedLateIsEncodedWithTheSameAnswer) {
  tampering_.Flip(header_.segments[2].offset + 100, 0x40);
  StartHeld(2);
  const auto answer = Submit(Request(prompt_, 12));
  model_->WaitForForward();
  gated_.Open();
  answer->Wait();
  EXPECT_TRUE(answer->status().ok()) << answer->status().ToString();
  EXPECT_EQ(answer->tokens(), expected_);
  EXPECT_THAT(answer->usage().units, Each(AllOf(Field(&UnitUsage::source, Source::kEncoded),
                                                Field(&UnitUsage::miss_reason, "checksum"))));
  EXPECT_EQ(answer->usage().encoded_tokens, kRows);
  EXPECT_EQ(tampering_.corruption_reports(), 1u);
}

TEST_F(EngineStreaming, DamageInTheMiddleOfAPromptThatTakesManySteps) {
  options_.prefill_chunk_tokens = 2;
  tampering_.Flip(header_.segments[1].offset, 1);
  StartHeld(1);
  const auto answer = Submit(Request(prompt_, 12));
  model_->WaitForForward();
  gated_.Open();
  answer->Wait();
  EXPECT_EQ(answer->tokens(), expected_);
  EXPECT_THAT(answer->usage().units, CameFrom(Source::kEncoded));
}

TEST_F(EngineStreaming, RequestsShareOneLoad) {
  StartHeld(2);
  const auto first = Submit(Request(prompt_, 12)), second = Submit(Request(prompt_, 12));
  model_->WaitForForward();
  const auto third = Submit(Request(prompt_, 12));
  gated_.Open();
  for (const auto& answer : {first, second, third}) {
    answer->Wait();
    EXPECT_EQ(answer->tokens(), expected_);
  }
  EXPECT_EQ(gated_.opened(), 1u);
}

TEST_F(EngineStreaming, RequestsThatShareALoadShareItsFailure) {
  tampering_.Flip(header_.segments[2].offset, 1);
  StartHeld(2);
  const auto first = Submit(Request(prompt_, 12)), second = Submit(Request(prompt_, 12));
  model_->WaitForForward();
  gated_.Open();
  uint32_t encoded = 0;
  for (const auto& answer : {first, second}) {
    answer->Wait();
    EXPECT_EQ(answer->tokens(), expected_);
    EXPECT_THAT(answer->usage().units, CameFrom(Source::kEncoded));
    encoded += answer->usage().encoded_tokens;
  }
  EXPECT_EQ(encoded, kRows);
}

TEST_F(EngineStreaming, SlowLoadDoesNotHoldUpOthers) {
  StartHeld(2);
  const auto slow = Submit(Request(prompt_, 12));
  model_->WaitForForward();
  const PlanMaker other = PlanMaker().New(RandomIds(9, 3));
  EXPECT_EQ(Run(other, 12)->tokens(), Reference(other, 12));
  EXPECT_EQ(slow->finals(), 0);
  EXPECT_EQ(model_->forwards(), 1);  // given up, and not tried again
  gated_.Open();
  slow->Wait();
  EXPECT_EQ(slow->tokens(), expected_);
  EXPECT_THAT(slow->usage().units, CameFrom(Source::kDisk));
}

TEST_F(EngineStreaming, CancelTakesEffectWhileLayersAreMissing) {
  StartHeld(2);
  EngineRequest request = Request(prompt_, 12);
  const RequestId id = request.id;
  const auto answer = Submit(std::move(request));
  model_->WaitForForward();
  engine_->Cancel(id);
  answer->Wait();
  EXPECT_EQ(answer->status().code(), Code::kCancelled);
  gated_.Open();
  EXPECT_EQ(Run(prompt_, 12)->tokens(), expected_);  // by the load that goes on
  EXPECT_EQ(gated_.opened(), 1u);
}

TEST_F(EngineStreaming, EndOfTheEngineEndsTheLoad) {
  StartHeld(1);
  const auto answer = Submit(Request(prompt_, 12));
  model_->WaitForForward();
  std::thread end([this] { engine_ = nullptr; });
  answer->Wait();  // before the store answers
  EXPECT_EQ(answer->status().code(), Code::kUnavailable);
  gated_.Open();
  end.join();
  EXPECT_EQ(answer->finals(), 1);
}

TEST_F(EngineStreaming, StoreThatWasSlowIsNotAskedWhenEncodingIsCheaper) {
  StartHeld(2);
  const PlanMaker fresh = PlanMaker().Unit(MakeRecipe({}, RandomIds(kRows, 4))).New({65});
  const Usage encoded = Run(fresh, 1)->usage();
  EXPECT_THAT(encoded.units, Each(Field(&UnitUsage::miss_reason, "not stored")));
  const auto slow = Submit(Request(prompt_, 1));
  gated_.WaitForReader();
  const SteadyTime held = SystemClock().Now();
  do {
    (void)Run(PlanMaker().New({65}), 1);
  } while (MillisecondsBetween(held, SystemClock().Now()) < 3 * encoded.units[0].milliseconds);
  gated_.Open();
  slow->Wait();
  EXPECT_THAT(Run(stored_, 1)->usage().units,
              Each(AllOf(Field(&UnitUsage::source, Source::kEncoded),
                         Field(&UnitUsage::miss_reason, "cheaper to encode"))));
}

TEST_F(EngineStreaming, RequestForNoTokensWaitsForItsUnits) {
  StartHeld(2);
  const auto answer = Submit(Request(PlanMaker().Unit(prompt_.recipes()[0]), 0));
  gated_.WaitForReader();
  EXPECT_EQ(answer->finals(), 0);
  gated_.Open();
  answer->Wait();
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->usage().units, CameFrom(Source::kDisk));
}

}  // namespace
}  // namespace promptcache::testing
