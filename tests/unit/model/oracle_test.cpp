// Every architecture and variant against the logits that transformers and a float64 forward pass
// give (tests/golden/model): however a sequence is cut into steps and units, the numbers are the
// same.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/fakes/test_env.h"
#include "tests/unit/model/oracle.h"
#include "worker/model/model.h"

namespace promptcache {
namespace {

using testing::Divergence;
using testing::LogitDifference;
using testing::OracleCase;

constexpr double kTolerance = 1e-4;       // of the range of a row's logits, in fp32
constexpr double kBf16Divergence = 1e-3;  // of the next token's distribution, in bf16

class OracleTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { Load(ComputeDtype::kFp32); }

  void Load(ComputeDtype dtype) {
    auto loaded = LoadModel(testing::OracleModelPath(GetParam()).string(),
                            {.dtype = dtype, .device = testing::TestDevice(), .threads = 1});
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    model_ = std::move(loaded->model);
  }

  // The cases in which every token sees all before it.
  static std::vector<OracleCase> PlainCases() {
    auto cases = testing::ReadOracle(GetParam());
    std::erase_if(cases, [](const OracleCase& c) { return !c.unit.empty(); });
    return cases;
  }

  KvBuffer Buffer() const { return KvBuffer(model_->shape(), model_->kv_options(), 16); }

  // Runs tokens [begin, end) of the case, moved by `shift`; the logits of the last.
  std::vector<float> Step(const OracleCase& c, std::pair<size_t, size_t> range, KvBuffer& own,
                          std::span<const KeyRange> units = {}, Position shift = 0) {
    const auto [begin, end] = range;
    std::vector<Position> positions(c.positions.begin() + static_cast<int64_t>(begin),
                                    c.positions.begin() + static_cast<int64_t>(end));
    for (Position& position : positions) position += shift;
    SequenceStep step{.ids = std::span(c.ids).subspan(begin, end - begin),
                      .positions = positions,
                      .units = units,
                      .own = &own};
    const auto logits = model_->Forward({&step, 1});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    if (!logits.ok()) return {};
    const auto* row = logits->const_data_ptr<float>();
    return {row, row + logits->size(1)};
  }

  // Runs the case from token `begin` on in steps of at most `size` tokens, and gives `look` the
  // index of each row that the oracle knows and the logits found there.
  template <typename Look>
  void Walk(const OracleCase& c, size_t begin, size_t size, std::span<const KeyRange> units,
            const Look& look) {
    KvBuffer own = Buffer();
    for (size_t row = 0; row < c.rows.size(); ++row) {
      if (c.rows[row] < begin) continue;
      std::vector<float> logits;
      while (begin <= c.rows[row]) {
        const size_t end = std::min(begin + size, c.rows[row] + 1);
        logits = Step(c, {begin, end}, own, units);
        begin = end;
      }
      look(row, logits);
    }
  }

  void ExpectOracle(const OracleCase& c, size_t begin, size_t size,
                    std::span<const KeyRange> units = {}) {
    SCOPED_TRACE("steps of " + std::to_string(size) + " from " + std::to_string(begin));
    Walk(c, begin, size, units,
         [&](size_t row, const std::vector<float>& logits) { ExpectRow(c, row, logits); });
  }

  void ExpectRow(const OracleCase& c, size_t row, const std::vector<float>& logits) {
    const double difference = LogitDifference(logits, c.logits[row]);
    EXPECT_LE(difference, kTolerance) << c.name << ", token " << c.rows[row];
    worst_ = std::max(worst_, difference);
  }

  void TearDown() override { RecordProperty("worst", std::to_string(worst_)); }

  std::unique_ptr<Model> model_;
  double worst_ = 0;
};

TEST_P(OracleTest, PrefillGivesTheLogits) {
  for (const OracleCase& c : PlainCases()) {
    for (size_t row = 0; row < c.rows.size(); ++row) {
      KvBuffer own = Buffer();
      ExpectRow(c, row, Step(c, {0, c.rows[row] + 1}, own));
    }
  }
}

TEST_P(OracleTest, StepsOfAnySizeGiveTheLogits) {
  for (const OracleCase& c : PlainCases()) {
    for (const size_t size : {1, 3, 16, 50}) ExpectOracle(c, 0, size);
  }
}

// Units are computed from position 0 on and seen from where the case has them.
TEST_P(OracleTest, FirstTokensAsAUnitGiveTheLogits) {
  for (const OracleCase& c : PlainCases()) {
    const Position start = c.positions.front();
    for (const size_t cut : {size_t{1}, c.ids.size() / 2, c.ids.size() - 1}) {
      KvBuffer unit = Buffer();
      (void)Step(c, {0, cut}, unit, {}, -start);
      const KeyRange seen[] = {{.kv = &unit.tensor(),
                                .rows = unit.size(),
                                .shift = start,
                                .positions = unit.positions()}};
      for (const size_t size : {size_t{1}, c.ids.size()}) ExpectOracle(c, cut, size, seen);
    }
  }
}

TEST_P(OracleTest, AUnitBehindAUnitGivesTheLogits) {
  for (const OracleCase& c : PlainCases()) {
    const Position start = c.positions.front();
    const size_t first = c.ids.size() / 3, second = 2 * c.ids.size() / 3;
    KvBuffer context = Buffer(), unit = Buffer();
    (void)Step(c, {0, first}, context, {}, -start);
    // The unit has its own first token at position 0, the context below.
    const Position origin = c.positions[first];
    std::vector<KeyRange> seen = {{.kv = &context.tensor(),
                                   .rows = context.size(),
                                   .shift = start - origin,
                                   .positions = context.positions()}};
    (void)Step(c, {first, second}, unit, seen, -origin);
    seen[0].shift = start;
    seen.push_back({.kv = &unit.tensor(),
                    .rows = unit.size(),
                    .shift = origin,
                    .positions = unit.positions()});
    ExpectOracle(c, second, c.ids.size(), seen);
  }
}

// A unit of two runs with a slot between them; what fills it sees the first run only (S37).
TEST_P(OracleTest, ArgumentsBetweenTheRunsOfAUnitGiveTheLogits) {
  for (const OracleCase& c : testing::ReadOracle(GetParam())) {
    if (c.unit.empty()) continue;
    size_t first_run = 0;
    while (c.unit[first_run] == first_run) ++first_run;
    const size_t arguments = c.unit[first_run] - first_run;
    std::vector<size_t> others;
    for (size_t token = 0; token < c.ids.size(); ++token) {
      if (std::find(c.unit.begin(), c.unit.end(), token) == c.unit.end()) others.push_back(token);
    }
    const OracleCase inside = Only(c, c.unit), fresh = Only(c, others);
    const Position start = c.positions.front();
    KvBuffer unit = Buffer();
    (void)Step(inside, {0, inside.ids.size()}, unit, {}, -start);
    KeyRange before{.kv = &unit.tensor(),
                    .rows = static_cast<int64_t>(first_run),
                    .shift = start,
                    .positions = unit.positions()};
    KeyRange behind = before;
    behind.first_row = before.rows;
    behind.rows = unit.size() - before.rows;

    KvBuffer apart = Buffer(), together = Buffer();
    ExpectRow(fresh, 0, Step(fresh, {0, arguments}, apart, {{before}}));
    ExpectRow(fresh, 1, Step(fresh, {arguments, fresh.ids.size()}, apart, {{before, behind}}));
    behind.first_query = static_cast<int64_t>(arguments);
    ExpectRow(fresh, 1, Step(fresh, {0, fresh.ids.size()}, together, {{before, behind}}));
  }
}

TEST_P(OracleTest, Bf16GivesNearlyTheSameNextToken) {
  Load(ComputeDtype::kBf16);
  for (const OracleCase& c : PlainCases()) {
    for (const size_t size : {size_t{1}, c.ids.size()}) {
      Walk(c, 0, size, {}, [&](size_t row, const std::vector<float>& logits) {
        const double divergence = Divergence(logits, c.logits[row]);
        EXPECT_LE(divergence, kBf16Divergence)
            << c.name << ", token " << c.rows[row] << ", steps of " << size;
        worst_ = std::max(worst_, divergence);
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, OracleTest, ::testing::ValuesIn(testing::OracleModels()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace promptcache
