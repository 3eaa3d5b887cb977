#include "coordinator/routing/backlog.h"

#include <gtest/gtest.h>

#include "tests/unit/routing/routing_samples.h"

namespace promptcache::testing {
namespace {

TEST(Backlog, IsTheWorkGivenLessTheTimeSpentOnTheOldest) {
  Backlog backlog;
  backlog.Give(Id(1), 2, At(0));
  backlog.Give(Id(2), 3, At(1));
  EXPECT_DOUBLE_EQ(backlog.At(At(1)), 4);
  EXPECT_DOUBLE_EQ(backlog.At(At(9)), 3);  // the second one has not begun: the first is not done
  backlog.Remove(Id(1), At(9));
  EXPECT_DOUBLE_EQ(backlog.At(At(10)), 2);
}

TEST(Backlog, OfACancelledRequestIsGone) {
  Backlog backlog;
  backlog.Give(Id(1), 2, At(0));
  backlog.Give(Id(2), 3, At(0));
  backlog.Remove(Id(2), At(1));
  EXPECT_DOUBLE_EQ(backlog.At(At(1)), 1);
  backlog.Remove(Id(2), At(1));
  EXPECT_DOUBLE_EQ(backlog.At(At(1)), 1);
}

TEST(Backlog, OfOthersIsWhatAReportHasMore) {
  Backlog backlog;
  backlog.Give(Id(1), 2, At(0));
  backlog.Report(7, At(0));
  EXPECT_DOUBLE_EQ(backlog.At(At(0)), 7);
  backlog.Give(Id(2), 1, At(0));
  EXPECT_DOUBLE_EQ(backlog.At(At(0)), 8);
}

TEST(Backlog, AnOldReportHidesNothingGivenSince) {
  Backlog backlog;
  backlog.Report(0, At(0));
  for (uint8_t i = 1; i <= 5; ++i) backlog.Give(Id(i), 1, At(2));
  EXPECT_DOUBLE_EQ(backlog.At(At(2)), 5);
}

TEST(Backlog, OfOthersGoesDownWhileNoReportComes) {
  Backlog backlog;
  backlog.Report(3, At(0));
  EXPECT_DOUBLE_EQ(backlog.At(At(1)), 2);
  EXPECT_DOUBLE_EQ(backlog.At(At(9)), 0);
}

TEST(Backlog, OneReportThatIsOffMovesItLittle) {
  Backlog backlog;
  backlog.Give(Id(1), 10, At(0));
  backlog.Report(10, At(0));
  backlog.Report(15, At(0));
  EXPECT_DOUBLE_EQ(backlog.At(At(0)), 11);
  backlog.Report(10, At(0));
  EXPECT_LT(backlog.At(At(0)), 11);
}

}  // namespace
}  // namespace promptcache::testing
