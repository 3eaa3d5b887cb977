#include "worker/attention/step_attention.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/attention/reference.h"

namespace promptcache {
namespace {

using testing::DenseReference;
using testing::MakeCase;
using testing::RelativeError;
using testing::RunSegments;
using testing::TestCase;
using testing::TestLayout;

std::vector<Position> Range(Position first, int64_t count) {
  std::vector<Position> positions(count);
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

struct Variant {
  const char* name;
  AttentionKernel kernel;
  at::ScalarType dtype;
  double tolerance;
};

std::ostream& operator<<(std::ostream& out, const Variant& variant) { return out << variant.name; }

// How positions enter.
struct Encoding {
  const char* name;
  PositionSettings settings;
};

std::ostream& operator<<(std::ostream& out, const Encoding& encoding) {
  return out << encoding.name;
}

PositionSettings PartialWithMagnitude() {
  PositionSettings settings = testing::Rope(10);
  settings.magnitude = 1.2;
  return settings;
}

class SegmentList : public ::testing::TestWithParam<std::tuple<Variant, Encoding>> {
 protected:
  static const Variant& variant() { return std::get<Variant>(GetParam()); }
  static const PositionSettings& encoding() { return std::get<Encoding>(GetParam()).settings; }

  // Compares the last layer, which reads other rows than the first.
  void ExpectExact(TestLayout layout) const {
    layout.dtype = variant().dtype;
    layout.encoding = encoding();
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const TestCase c = MakeCase(layout, seed);
      EXPECT_LE(
          RelativeError(RunSegments(c, variant().kernel), DenseReference(c, layout.layers - 1)),
          variant().tolerance)
          << "seed " << seed;
    }
  }
};

TEST_P(SegmentList, EqualsConcatenatedAttention) {
  TestLayout layout;
  layout.units = {{70, 0}, {65, 0}, {100, 0}};
  layout.ranges = {{0, 0, 70, 0}, {1, 0, 65, 70}, {2, 0, 100, 135}};
  layout.positions = Range(235, 9);
  ExpectExact(layout);
}

TEST_P(SegmentList, DecodesOneTokenAfterPastRows) {
  TestLayout layout;
  layout.units = {{700, 0}, {40, 0}};
  layout.ranges = {{0, 0, 700, 0}, {1, 0, 40, 700}};
  layout.past = Range(740, 33);
  layout.positions = Range(773, 1);
  ExpectExact(layout);
}

TEST_P(SegmentList, PlainPrefillNeedsNoUnits) {
  TestLayout layout;
  layout.positions = Range(0, 150);
  ExpectExact(layout);
}

TEST_P(SegmentList, UnitMovedEqualsUnitComputedThere) {
  TestLayout layout;
  layout.units = {{80, 0}, {66, 500}};
  layout.ranges = {{0, 0, 80, 4711}, {1, 0, 33, 1000}, {1, 33, 33, 1000}};
  layout.past = Range(4800, 5);
  layout.positions = Range(6000, 7);
  ExpectExact(layout);
}

TEST_P(SegmentList, OneUnitAtTwoPositionsOfOneRequest) {
  TestLayout layout;
  layout.units = {{90, 0}};
  layout.ranges = {{0, 0, 90, 0}, {0, 0, 90, 90}, {0, 10, 70, 170}};
  layout.positions = Range(300, 4);
  ExpectExact(layout);
}

TEST_P(SegmentList, ArgumentsInGapsSeeOnlyWhatComesBefore) {
  TestLayout layout;
  layout.units = {{70, 0}, {80, 20}, {5, 0}};
  // Unit 1 has a slot of 20 positions after its row 40; the step fills 3 of them, then goes on.
  layout.ranges = {{0, 0, 70, 0}, {1, 0, 40, 70}, {1, 40, 40, 70}, {2, 0, 5, 500}};
  layout.positions = {110, 111, 112, 200, 201, 505, 506, 507};
  ExpectExact(layout);
}

TEST_P(SegmentList, StepBeforeEverythingSeesOnlyItself) {
  TestLayout layout;
  layout.units = {{70, 0}};
  layout.ranges = {{0, 0, 70, 100}};
  layout.positions = Range(3, 6);
  ExpectExact(layout);
}

TEST_P(SegmentList, HundredsOfTinyRanges) {
  TestLayout layout;
  layout.units = {{90, 0}};
  for (int i = 0; i < 150; ++i) layout.units.push_back({1 + i % 3, 0});
  layout.ranges = {{0, 0, 90, 0}};
  Position next = 90;
  const auto step = [&](int64_t count) {
    for (const Position p : Range(next, count)) layout.positions.push_back(p);
  };
  for (size_t i = 1; i <= 150; ++i) {
    const int64_t rows = 1 + static_cast<int64_t>(i - 1) % 3;
    layout.ranges.push_back({i, 0, rows, next});
    next += static_cast<Position>(rows);
    if (i % 50 != 0) continue;
    step(4);  // in a gap after tiny ranges 50 and 100, and at the end
    next += 4;
  }
  ExpectExact(layout);
}

TEST_P(SegmentList, EmptyRangeAddsNothing) {
  TestLayout layout;
  layout.units = {{70, 0}, {3, 0}};
  layout.ranges = {{0, 0, 70, 0}, {1, 1, 0, 70}};
  layout.positions = Range(100, 5);
  ExpectExact(layout);
}

TEST_P(SegmentList, NegativePositionsOfContext) {
  TestLayout layout;
  layout.units = {{80, 0}};
  layout.ranges = {{0, 0, 80, -300}};
  layout.positions = Range(-20, 40);
  ExpectExact(layout);
}

TEST_P(SegmentList, SameBitsAgainAndAgain) {
  TestLayout layout;
  layout.dtype = variant().dtype;
  layout.encoding = encoding();
  layout.units = {{700, 0}, {9, 0}, {3, 0}};
  layout.ranges = {{0, 0, 700, 0}, {1, 0, 9, 700}, {2, 0, 3, 709}};
  layout.positions = Range(800, 6);
  const TestCase c = MakeCase(layout, 5);
  const at::Tensor first = RunSegments(c, variant().kernel);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(first.equal(RunSegments(c, variant().kernel)));
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, SegmentList,
    ::testing::Combine(
        ::testing::Values(Variant{"pieces_fp32", AttentionKernel::kPieces, at::kFloat, 1e-5},
                          Variant{"list_fp32", AttentionKernel::kList, at::kFloat, 1e-5},
                          Variant{"portable_fp32", AttentionKernel::kPortable, at::kFloat, 1e-5},
                          Variant{"portable_fp64", AttentionKernel::kPortable, at::kDouble, 1e-12},
                          Variant{"pieces_bf16", AttentionKernel::kPieces, at::kBFloat16, 2e-2},
                          Variant{"list_bf16", AttentionKernel::kList, at::kBFloat16, 2e-2},
                          Variant{"portable_bf16", AttentionKernel::kPortable, at::kBFloat16,
                                  2e-2}),
        ::testing::Values(Encoding{"rope", testing::Rope(16)},
                          Encoding{"partial_rope", PartialWithMagnitude()},
                          Encoding{"alibi", MakeAlibi(6, 8, 1).value()})),
    [](const auto& suite) {
      return std::string(std::get<0>(suite.param).name) + "_" + std::get<1>(suite.param).name;
    });

TEST(StepAttention, SequencesOfOneStepDoNotTouchEachOther) {
  TestLayout layout;
  layout.units = {{70, 0}};
  layout.ranges = {{0, 0, 70, 0}};
  layout.past = Range(70, 12);
  layout.positions = Range(90, 3);
  const TestCase a = MakeCase(layout, 1);
  layout.positions = Range(82, 20);
  layout.ranges = {{0, 5, 60, 3}};
  const TestCase b = MakeCase(layout, 2);
  const auto own = [](const TestCase& c) {
    at::Tensor kv = at::full({2, 2, 2, 40, 16}, NAN);
    kv.narrow(3, 0, 12).copy_(c.past.kv);
    return kv;
  };
  const at::Tensor own_a = own(a), own_b = own(b);
  const KeyRange range_a{.kv = &a.units[0].kv, .rows = 70};
  const KeyRange range_b{.kv = &b.units[0].kv, .first_row = 5, .rows = 60, .shift = 3};
  const AttentionSequence sequences[] = {
      {.positions = a.positions, .units = std::span(&range_a, 1), .own = &own_a, .past = 12},
      {.positions = b.positions, .units = std::span(&range_b, 1), .own = &own_b, .past = 12}};
  StepAttention attention({.shape = a.shape, .rotary = a.rotary()}, sequences);
  const at::Tensor out = attention.Run(1, at::cat({a.q[1], b.q[1]}), at::cat({a.k[1], b.k[1]}),
                                       at::cat({a.v[1], b.v[1]}));
  EXPECT_LE(RelativeError(out.narrow(0, 0, 3), DenseReference(a, 1)), 1e-5);
  EXPECT_LE(RelativeError(out.narrow(0, 3, 20), DenseReference(b, 1)), 1e-5);
}

TEST(StepAttention, RefusesUnitsThatDoNotFit) {
  TestLayout layout;
  layout.positions = Range(0, 4);
  const TestCase c = MakeCase(layout, 1);
  const at::Tensor own = at::zeros({2, 2, 2, 8, 16});
  const auto construct = [&](const at::Tensor& kv, int64_t rows) {
    const KeyRange range{.kv = &kv, .rows = rows};
    const AttentionSequence sequence{
        .positions = c.positions, .units = std::span(&range, 1), .own = &own};
    StepAttention({.shape = c.shape, .rotary = c.rotary()}, std::span(&sequence, 1));
  };
  EXPECT_NO_THROW(construct(at::zeros({2, 2, 2, 5, 16}), 5));
  EXPECT_THROW(construct(at::zeros({2, 2, 2, 5, 16}), 6), c10::Error);
  EXPECT_THROW(construct(at::zeros({2, 2, 3, 5, 16}), 5), c10::Error);
  EXPECT_THROW(construct(at::zeros({2, 2, 2, 5, 16}, at::kDouble), 5), c10::Error);
  EXPECT_THROW(construct(at::zeros({2, 2, 2, 16, 5}).transpose(3, 4), 5), c10::Error);
}

}  // namespace
}  // namespace promptcache
