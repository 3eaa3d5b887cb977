// What is removed by name is not kept, and not stored again by what was under way.
#include <gmock/gmock.h>

#include <future>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/gated_store.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EngineRemoval : public EngineTest {
 protected:
  PlanMaker Prompt(uint64_t seed) const {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, seed))).New({65});
  }
  UnitKey KeyOf(const PlanMaker& prompt) const { return Keys(prompt)[0]; }
  RemovedUnits Drop(const PlanMaker& prompt) { return EngineTest::Drop(Keys(prompt)); }
  std::vector<UnitKey> Stored() {
    std::vector<UnitKey> keys;
    const std::vector<BlobInfo> blobs = ListAll(memory_).value();
    for (const BlobInfo& blob : blobs) keys.push_back(blob.key);
    return keys;
  }

  MemoryBlobStore memory_;
  GatedStore store_{memory_};
};

TEST_F(EngineRemoval, UnitThatIsBeingLoadedReachesItsRequestAndIsNotKept) {
  Start(&store_);
  const auto cold = Run(Prompt(1));
  Start(&store_);
  store_.CloseFrom(0);
  const auto answer = Submit(Request(Prompt(1)));
  store_.WaitForReader();
  EXPECT_THAT(Drop(Prompt(1)).held, ElementsAre(KeyOf(Prompt(1))));
  store_.Open();
  answer->Wait();
  EXPECT_TRUE(answer->status().ok());
  EXPECT_EQ(answer->tokens(), cold->tokens());
  EXPECT_EQ(Drop(Prompt(1)).units, 0u);
}

// Calls something within its first forward step.
class InterruptedModel : public Model {
 public:
  InterruptedModel(Model& model, std::function<void()> interrupt)
      : model_(model), interrupt_(std::move(interrupt)) {}
  const ModelShape& shape() const override { return model_.shape(); }
  at::TensorOptions kv_options() const override { return model_.kv_options(); }
  Result<at::Tensor> Forward(std::span<SequenceStep> steps) override {
    if (interrupt_) std::exchange(interrupt_, nullptr)();
    return model_.Forward(steps);
  }

 private:
  Model& model_;
  std::function<void()> interrupt_;
};

TEST_F(EngineRemoval, UnitThatIsBeingEncodedReachesItsRequestAndIsNeitherKeptNorStored) {
  const PlanMaker prompt = PlanMaker().Unit(MakeRecipe({}, RandomIds(600, 1))).New({65});
  loaded_ = LoadTinyLlama();
  std::promise<RemovedUnits> dropped;
  InterruptedModel model(*loaded_.model, [&] {
    engine_->Drop({KeyOf(prompt)},
                  [&](const RemovedUnits& removed) { dropped.set_value(removed); });
  });
  engine_ = StartEngine({.model = &model,
                         .tokenizer = tokenizer_.get(),
                         .store = &store_,
                         .format = {loaded_.identity}},
                        options_);
  EXPECT_TRUE(Run(prompt)->status().ok());
  EXPECT_THAT(dropped.get_future().get().held, ElementsAre(KeyOf(prompt)));
  EXPECT_EQ(Drop(prompt).units, 0u);
  engine_ = nullptr;
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(EngineRemoval, UnitThatWaitsToBeStoredIsNot) {
  Start(&store_);
  store_.ClosePuts();
  (void)Run(Prompt(1));
  store_.WaitForPut();
  (void)Run(Prompt(2));  // behind the first
  EXPECT_THAT(Drop(Prompt(2)).held, ElementsAre(KeyOf(Prompt(2))));
  store_.OpenPuts();
  engine_ = nullptr;  // its puts are done
  EXPECT_THAT(Stored(), ElementsAre(KeyOf(Prompt(1))));
}

}  // namespace
}  // namespace promptcache::testing
