#include "tests/unit/engine/plan_maker.h"

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

std::function<bool(size_t query, size_t key)> PlanMaker::sees() const {
  return [unit_of = unit_of_](size_t query, size_t key) {
    return query >= unit_of.size() || unit_of[query] == kNew || unit_of[query] == unit_of[key];
  };
}

}  // namespace promptcache::testing
