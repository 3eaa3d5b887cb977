#include "tests/unit/engine/engine_fixture.h"

#include <future>
#include <utility>

namespace promptcache::testing {

void EngineTest::Start(BlobStore* store) {
  engine_ = nullptr;
  loaded_ = load_(dtype_);
  engine_ = StartEngine({.model = loaded_.model.get(),
                         .tokenizer = tokenizer_.get(),
                         .store = store,
                         .format = {loaded_.identity},
                         .clock = &clock_,
                         .on_residency = on_residency_},
                        options_);
}

EngineRequest EngineTest::Request(const PlanMaker& prompt, uint32_t max_new_tokens) const {
  const SteadyTime now = SystemClock().Now();
  std::vector<KnownRecipePtr> recipes;
  for (const auto& recipe : prompt.recipes()) recipes.push_back(Known(*recipe));
  return {.id = RequestId::Random(),
          .plan = prompt.plan(),
          .recipes = std::move(recipes),
          .schema = "schema",
          .version = kSchemaVersion,
          .options = {.max_new_tokens = max_new_tokens},
          .received = now,
          .deadline = now + std::chrono::hours(1)};
}

std::shared_ptr<Answer> EngineTest::Submit(EngineRequest request) {
  auto answer = std::make_shared<Answer>();
  request.events = answer->Events();
  // The events keep the answer alive as long as the engine may call them.
  request.events.on_final = [answer, on_final = request.events.on_final](Status status,
                                                                         Usage usage) {
    on_final(std::move(status), std::move(usage));
  };
  const Status status = engine_->Submit(std::move(request));
  EXPECT_TRUE(status.ok()) << status.ToString();
  if (!status.ok()) answer->Events().on_final(status, {});  // or the test would wait for ever
  return answer;
}

std::shared_ptr<Answer> EngineTest::Run(EngineRequest request) {
  auto answer = Submit(std::move(request));
  answer->Wait();
  return answer;
}

std::vector<UnitKey> EngineTest::Keys(const PlanMaker& prompt) const {
  std::vector<UnitKey> keys;
  for (const PlanUnit& unit : prompt.plan().units) {
    keys.push_back(MakeUnitKey(loaded_.identity.Digest(), 0, unit.digest));
  }
  return keys;
}

RemovedUnits EngineTest::Drop(const std::vector<UnitKey>& keys) {
  std::promise<RemovedUnits> dropped;
  engine_->Drop(keys, [&](const RemovedUnits& removed) { dropped.set_value(removed); });
  return dropped.get_future().get();
}

EngineStats EngineTest::Stats() {
  (void)Drop({});  // within a turn
  (void)Drop({});  // within the next
  return engine_->stats();
}

}  // namespace promptcache::testing
