#include "cluster/transport/timer_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace promptcache {
namespace {

SteadyTime At(int ms) { return SteadyTime(std::chrono::milliseconds(ms)); }

void RunDue(TimerQueue& timers, SteadyTime now) {
  const TimerId before = timers.next_id();
  while (const auto function = timers.PopDue(now, before)) (*function)();
}

TEST(TimerQueue, RunsInOrderOfTimeThenOfAdd) {
  TimerQueue timers;
  std::string log;
  timers.Add(At(20), [&] { log += 'c'; });
  timers.Add(At(10), [&] { log += 'a'; });
  timers.Add(At(10), [&] { log += 'b'; });
  timers.Add(At(30), [&] { log += 'd'; });
  RunDue(timers, At(25));
  EXPECT_EQ(log, "abc");
  EXPECT_EQ(timers.Next(), At(30));
  RunDue(timers, At(30));
  EXPECT_EQ(log, "abcd");
  EXPECT_EQ(timers.Next(), std::nullopt);
}

TEST(TimerQueue, CancelledTimersDoNotRun) {
  TimerQueue timers;
  std::string log;
  const TimerId first = timers.Add(At(1), [&] { log += 'a'; });
  timers.Add(At(2), [&] { log += 'b'; });
  timers.Cancel(first);
  timers.Cancel(first);
  timers.Cancel(12345);
  RunDue(timers, At(5));
  EXPECT_EQ(log, "b");
}

TEST(TimerQueue, ATimerAddedByATimerWaitsForTheNextTurn) {
  TimerQueue timers;
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    timers.Add(At(0), again);
  };
  timers.Add(At(0), again);
  RunDue(timers, At(1));
  EXPECT_EQ(runs, 1);
  RunDue(timers, At(1));
  EXPECT_EQ(runs, 2);
}

TEST(TimerQueue, ATimerMayCancelAnotherThatIsDue) {
  TimerQueue timers;
  std::string log;
  TimerId second = 0;
  timers.Add(At(1), [&] {
    log += 'a';
    timers.Cancel(second);
  });
  second = timers.Add(At(2), [&] { log += 'b'; });
  RunDue(timers, At(5));
  EXPECT_EQ(log, "a");
}

}  // namespace
}  // namespace promptcache
