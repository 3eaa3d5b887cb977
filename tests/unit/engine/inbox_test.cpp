#include "worker/engine/inbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace promptcache {
namespace {

TEST(Inbox, RunsInOrderWhatWasPostedAndOnce) {
  Inbox inbox;
  std::vector<int> ran;
  for (const int i : {1, 2, 3}) inbox.Post([&ran, i] { ran.push_back(i); });
  inbox.Run();
  inbox.Run();
  EXPECT_EQ(ran, (std::vector{1, 2, 3}));
}

TEST(Inbox, RunsWhatWasPostedWhenTheTimeHasPassed) {
  Inbox inbox;
  bool ran = false;
  inbox.Post([&ran] { ran = true; });
  inbox.WaitAndRun(SteadyTime::min());
  EXPECT_TRUE(ran);
}

TEST(Inbox, WaitsForWhatAnotherThreadPosts) {
  Inbox inbox;
  bool ran = false;
  const std::jthread other([&] { inbox.Post([&ran] { ran = true; }); });
  while (!ran) inbox.WaitAndRun(SystemClock().Now() + std::chrono::hours(1));
  EXPECT_TRUE(ran);
}

TEST(Inbox, LeavesForTheNextTimeWhatItsFunctionsPost) {
  Inbox inbox;
  int ran = 0;
  inbox.Post([&] {
    ++ran;
    inbox.Post([&] { ++ran; });
  });
  inbox.Run();
  EXPECT_EQ(ran, 1);
  inbox.Run();
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace promptcache
