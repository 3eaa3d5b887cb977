#include "tests/unit/engine/engine_fixture.h"

#include <iterator>
#include <limits>

namespace promptcache::testing {
namespace {

constexpr size_t kNew = std::numeric_limits<size_t>::max();

}  // namespace

RequestEvents Answer::Events() {
  return {.on_part =
              [this](AnswerPart part) {
                std::lock_guard lock(mutex_);
                count_ += part.tokens.size();
                AnswerPart& sample = samples_[part.sample];
                sample.tokens.insert(sample.tokens.end(), part.tokens.begin(), part.tokens.end());
                sample.text += part.text;
                std::move(part.logprobs.begin(), part.logprobs.end(),
                          std::back_inserter(sample.logprobs));
                changed_.notify_all();
              },
          .on_final =
              [this](Status status, Usage usage) {
                std::lock_guard lock(mutex_);
                status_ = std::move(status);
                usage_ = std::move(usage);
                ++finals_;
                changed_.notify_all();
              }};
}

void Answer::Wait() { WaitTokens(std::numeric_limits<size_t>::max()); }

void Answer::WaitTokens(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return finals_ > 0 || count_ >= count; });
}

KnownRecipePtr Known(const Recipe& recipe) {
  auto known = MakeKnownRecipe(recipe);
  EXPECT_TRUE(known.ok()) << known.status().ToString();
  return known.ok() ? *known : nullptr;
}

PlanMaker& PlanMaker::Unit(std::shared_ptr<const Recipe> recipe, const Lifetime& lifetime) {
  const auto index = static_cast<uint32_t>(plan_.units.size());
  const uint32_t rows = recipe->rows();
  const KnownRecipePtr known = Known(*recipe);
  plan_.units.push_back({known->digest, "schema/unit" + std::to_string(index), rows, lifetime});
  const std::vector<Position> positions = recipe->RowPositions();
  // One segment for each run of neighbouring positions.
  for (uint32_t row = 0; row < rows; ++row) {
    const Position position = next_ + positions[row];
    const bool joins = row > 0 && positions[row - 1] + 1 == positions[row];
    if (joins) {
      ++plan_.segments.back().rows;
    } else {
      plan_.segments.push_back(
          {.unit = index, .first_row = row, .rows = 1, .first_position = position, .shift = next_});
    }
    tokens_.Append(recipe->own.ids[known->OwnIndex(row)], position);
    unit_of_.push_back(index);
  }
  next_ += recipe->own.positions.back() + 1;
  recipes_.push_back(std::move(recipe));
  return *this;
}

PlanMaker& PlanMaker::New(const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    plan_.new_tokens.Append(id, next_);
    tokens_.Append(id, next_++);
    unit_of_.push_back(kNew);
  }
  return *this;
}

PlanMaker& PlanMaker::Gap(Position positions) {
  next_ += positions;
  return *this;
}

Plan PlanMaker::plan() const {
  Plan plan = plan_;
  plan.next_position = next_;
  return plan;
}

Sees PlanMaker::sees() const {
  return [unit_of = unit_of_](size_t query, size_t key) {
    return query >= unit_of.size() || unit_of[query] == kNew || unit_of[query] == unit_of[key];
  };
}

void EngineTest::Start(BlobStore* store) {
  engine_ = nullptr;
  loaded_ = load_(dtype_);
  engine_ = Engine::Start({.model = loaded_.model.get(),
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
