#include "worker/attention/pieces.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/unit/attention/reference.h"

namespace promptcache {
namespace {

class PiecesTest : public ::testing::Test {
 protected:
  KeyRange Range(const at::Tensor& kv, int64_t first_row, int64_t rows, Position shift,
                 int64_t first_query = 0) const {
    return {&kv, first_row, rows, shift, first_query, {}};
  }
  const at::Tensor a_ = at::randn({2, 2, 1, 100, 8}), b_ = at::randn({2, 2, 1, 100, 8});
};

TEST_F(PiecesTest, RunsOfOneUnitAroundOtherUnitsBecomeOnePiece) {
  const std::vector<KeyRange> ranges = {Range(a_, 0, 1, 7), Range(b_, 0, 50, 8), Range(a_, 1, 1, 7),
                                        Range(b_, 50, 50, 8), Range(a_, 2, 1, 7)};
  const Pieces pieces = JoinRanges(ranges, 4);
  ASSERT_EQ(pieces.list.size(), 2u);
  EXPECT_EQ(pieces.list[0].rows, 3);
  EXPECT_EQ(pieces.list[1].rows, 100);
  EXPECT_EQ(pieces.shifts, (std::vector<Position>{0, 7, 8}));
}

TEST_F(PiecesTest, ShiftVisibilityAndHolesSeparatePieces) {
  EXPECT_EQ(JoinRanges(std::vector{Range(a_, 0, 5, 7), Range(a_, 5, 5, 8)}, 4).list.size(), 2u);
  EXPECT_EQ(JoinRanges(std::vector{Range(a_, 0, 5, 7), Range(a_, 5, 5, 7, 2)}, 4).list.size(), 2u);
  EXPECT_EQ(JoinRanges(std::vector{Range(a_, 0, 5, 7), Range(a_, 6, 5, 7)}, 4).list.size(), 2u);
  EXPECT_EQ(JoinRanges(std::vector{Range(a_, 0, 5, 7), Range(b_, 5, 5, 7)}, 4).list.size(), 2u);
}

TEST_F(PiecesTest, WhatNoQuerySeesIsDropped) {
  EXPECT_TRUE(JoinRanges(std::vector{Range(a_, 0, 5, 7, 4), Range(b_, 0, 0, 7)}, 4).list.empty());
}

TEST_F(PiecesTest, SmallPiecesAreGatheredByVisibility) {
  Pieces pieces =
      JoinRanges(std::vector{Range(a_, 0, 80, 0), Range(a_, 80, 3, 5), Range(b_, 0, 2, 9),
                             Range(b_, 7, 4, 9), Range(b_, 20, 4, 9, 1)},
                 4);
  const PositionSettings rope = testing::Rope(8, 10000);
  GatherSmall({.frequencies = rope.frequencies}, 64, pieces);
  ASSERT_EQ(pieces.list.size(), 3u);
  EXPECT_EQ(pieces.list[0].rows, 80);
  EXPECT_EQ(pieces.list[1].rows, 9);  // 3 + 2 + 4
  EXPECT_EQ(pieces.list[1].shift, 0);
  EXPECT_TRUE(
      pieces.list[1].kv.select(1, 1).narrow(2, 3, 2).equal(b_.select(1, 1).narrow(2, 0, 2)));
  EXPECT_EQ(pieces.list[2].first_query, 1);  // alone: stays where it lies
  EXPECT_EQ(pieces.list[2].kv.const_data_ptr(), b_.const_data_ptr());
}

// Angles are held for each shift and query: those of a thousand small modules would fill memory.
TEST_F(PiecesTest, GatheredPiecesLeaveNoShiftBehind) {
  Pieces pieces = JoinRanges(
      std::vector{Range(a_, 0, 3, 5), Range(a_, 10, 70, 6), Range(b_, 0, 2, 9), Range(b_, 5, 2, 8)},
      4);
  EXPECT_EQ(pieces.shifts.size(), 5u);
  GatherSmall({.frequencies = testing::Rope(8, 10000).frequencies}, 64, pieces);
  ASSERT_EQ(pieces.list.size(), 2u);
  EXPECT_EQ(pieces.shifts, (std::vector<Position>{0, 6}));
  EXPECT_EQ(pieces.list[0].shift, 1);
}

TEST_F(PiecesTest, DistancesAreThoseOfTargetPositionsAlsoWhenGathered) {
  std::vector<Position> local;
  for (Position r = 0; r < 100; ++r) local.push_back(r < 50 ? r : r + 1000);
  std::vector<KeyRange> ranges = {Range(a_, 48, 4, 10), Range(b_, 2, 1, -5)};
  for (KeyRange& range : ranges) range.positions = local;
  Pieces pieces = JoinRanges(ranges, 4);
  MeasureDistances(2000, pieces);
  EXPECT_EQ(pieces.shifts, std::vector<Position>{0});
  GatherSmall({}, 64, pieces);
  ASSERT_EQ(pieces.list.size(), 1u);
  EXPECT_TRUE(
      pieces.list[0].distances.equal(at::tensor({-1942.f, -1941.f, -940.f, -939.f, -2003.f})));
}

TEST_F(PiecesTest, DistancesNeedThePositionOfEveryRow) {
  Pieces pieces = JoinRanges(std::vector{Range(a_, 48, 4, 10)}, 4);
  EXPECT_THROW(MeasureDistances(2000, pieces), c10::Error);
}

}  // namespace
}  // namespace promptcache
