#include "tests/unit/engine/engine_fixture.h"

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

}  // namespace promptcache::testing
