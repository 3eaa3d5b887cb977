// What a cancel leaves to be computed.
#include <future>

#include "tests/unit/engine/counting_model.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

constexpr size_t kUnitTokens = 1000;  // four steps of an encode

// The first forward step waits until it may go on.
class CancelDuringAnEncode : public EngineTest {
 protected:
  void SetUp() override {
    loaded_ = LoadTinyLlama(dtype_);
    model_ = std::make_unique<CountingModel>(*loaded_.model, [this] {
      if (model_->forwards() > 1) return;
      began_.set_value();
      may_go_on_.get_future().wait();
    });
    engine_ = StartEngine({.model = model_.get(),
                           .tokenizer = tokenizer_.get(),
                           .format = {loaded_.identity},
                           .clock = &clock_},
                          options_);
  }
  EngineRequest LongUnit() const {
    return Request(
        PlanMaker().Unit(MakeRecipe({}, RandomIds(kUnitTokens, 1))).New(RandomIds(5, 2)));
  }

  std::unique_ptr<CountingModel> model_;
  std::promise<void> began_;
  std::promise<void> may_go_on_;
};

TEST_F(CancelDuringAnEncode, TakesNoFurtherStep) {
  EngineRequest request = LongUnit();
  const RequestId id = request.id;
  const auto answer = Submit(std::move(request));
  began_.get_future().wait();
  engine_->Cancel(id);
  may_go_on_.set_value();
  answer->Wait();
  EXPECT_EQ(answer->status().code(), Code::kCancelled);
  Stats();  // a whole turn later
  EXPECT_EQ(model_->forwards(), 1u);
}

TEST_F(CancelDuringAnEncode, GoesOnForAnotherThatWaitsForTheUnit) {
  EngineRequest request = LongUnit();
  const RequestId id = request.id;
  const auto cancelled = Submit(std::move(request));
  const auto other = Submit(LongUnit());
  began_.get_future().wait();
  engine_->Cancel(id);
  may_go_on_.set_value();
  other->Wait();
  EXPECT_TRUE(other->status().ok()) << other->status().message();
  EXPECT_EQ(other->tokens().size(), 8u);
}

TEST_F(CancelDuringAnEncode, LeavesTheUnitToBeEncodedByTheNextWhoAsks) {
  EngineRequest request = LongUnit();
  const RequestId id = request.id;
  const auto cancelled = Submit(std::move(request));
  began_.get_future().wait();
  engine_->Cancel(id);
  may_go_on_.set_value();
  cancelled->Wait();
  const auto next = Run(LongUnit());
  EXPECT_TRUE(next->status().ok()) << next->status().message();
  EXPECT_EQ(next->usage().units.at(0).source, Source::kEncoded);
}

}  // namespace
}  // namespace promptcache::testing
