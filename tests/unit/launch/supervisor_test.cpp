// Supervision with processes that exist in the test's mind only.
#include "cluster/launch/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "tests/fakes/fake_clock.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeRunner : public ProcessRunner {
 public:
  Result<pid_t> Start(const ProcessCommand& command) override {
    if (refuse) return NotFound("cannot run " + command.argv[0]);
    log.push_back("start " + command.argv[0]);
    return ++last_pid;
  }
  std::optional<ProcessExit> PollExit() override {
    if (exits.empty()) return std::nullopt;
    const ProcessExit exit = exits.front();
    exits.pop_front();
    return exit;
  }
  void Terminate(pid_t pid) override { log.push_back("term " + std::to_string(pid)); }
  void Kill(pid_t pid) override { log.push_back("kill " + std::to_string(pid)); }

  bool refuse = false;
  pid_t last_pid = 0;
  std::vector<std::string> log;
  std::deque<ProcessExit> exits;
};

class SupervisorTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, int stage = 0) {
    ASSERT_TRUE(supervisor_.Add(name, stage, {.argv = {name}, .log_file = name + ".log"}).ok());
  }
  void Tick() {
    supervisor_.Tick([this](const std::string& event) { events_.push_back(event); });
  }
  void Exit(pid_t pid, int code = 1) {
    runner_.exits.push_back({pid, code});
    Tick();
  }
  void Advance(std::chrono::nanoseconds by) {
    clock_.Advance(by);
    Tick();
  }
  SupervisedProcess Process(size_t index = 0) const { return supervisor_.processes().at(index); }

  FakeClock clock_;
  FakeRunner runner_;
  Supervisor supervisor_{runner_, clock_};
  std::vector<std::string> events_;
};

TEST_F(SupervisorTest, RestartsAfterAPauseThatDoublesToItsLimit) {
  Add("a");
  for (const int pause : {100, 200, 400, 800, 1600, 3200, 5000, 5000}) {
    Exit(runner_.last_pid);
    EXPECT_EQ(Process().pid, 0);
    Advance(milliseconds(pause - 1));
    EXPECT_EQ(Process().pid, 0) << pause;
    Advance(milliseconds(1));
    EXPECT_EQ(Process().pid, runner_.last_pid) << pause;
  }
  EXPECT_EQ(Process().restarts, 8u);
}

TEST_F(SupervisorTest, TellsEndsAndRestarts) {
  Add("a");
  Exit(1, 139);
  Advance(milliseconds(100));
  EXPECT_THAT(events_, ElementsAre("a ended with 139", "a restarted (pid 2)"));
  EXPECT_EQ(Process().last_exit, 139);
}

TEST_F(SupervisorTest, ALongLifeMakesGoodForEarlierFailures) {
  Add("a");
  for (int i = 0; i < 9; ++i) {
    Exit(runner_.last_pid);
    Advance(seconds(5));
  }
  Advance(seconds(60));
  Exit(runner_.last_pid);
  EXPECT_FALSE(Process().given_up);
  Advance(milliseconds(100));
  EXPECT_NE(Process().pid, 0);
}

TEST_F(SupervisorTest, GivesUpAfterTenShortLivesAndSaysSo) {
  Add("a");
  Add("b");
  pid_t a = 1;
  for (int i = 0; i < 9; ++i) {
    Exit(a);
    Advance(seconds(5));
    a = runner_.last_pid;
  }
  EXPECT_FALSE(Process().given_up);
  Exit(a);
  EXPECT_TRUE(Process().given_up);
  EXPECT_THAT(events_.back(), HasSubstr("a failed 10 times in a row and is not started again"));
  EXPECT_THAT(events_.back(), HasSubstr("a.log"));
  const size_t events = events_.size();
  Advance(seconds(3600));
  EXPECT_EQ(Process().pid, 0);
  EXPECT_EQ(events_.size(), events);
  EXPECT_EQ(Process(1).pid, 2);
}

TEST_F(SupervisorTest, ARestartThatFailsIsTriedAgainAndCounts) {
  Add("a");
  runner_.refuse = true;
  Exit(1);
  Advance(milliseconds(100));
  EXPECT_THAT(events_.back(), HasSubstr("a cannot be restarted: cannot run a"));
  EXPECT_EQ(Process().restarts, 0u);
  for (int i = 0; i < 8; ++i) Advance(seconds(5));
  EXPECT_TRUE(Process().given_up);
}

TEST_F(SupervisorTest, AFirstStartThatFailsAddsNothing) {
  runner_.refuse = true;
  EXPECT_EQ(supervisor_.Add("a", 0, {.argv = {"a"}}).code(), Code::kNotFound);
  EXPECT_THAT(supervisor_.processes(), IsEmpty());
}

TEST_F(SupervisorTest, ARestartRunsTheCommandThatWasSetLast) {
  Add("a");
  Add("b");
  supervisor_.SetCommand("b", {.argv = {"b with a port"}});
  Exit(2);
  Advance(milliseconds(100));
  EXPECT_THAT(runner_.log, ElementsAre("start a", "start b", "start b with a port"));
}

TEST_F(SupervisorTest, TheEndOfAStrangerIsIgnored) {
  Add("a");
  Exit(77);
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_EQ(Process().pid, 1);
}

TEST_F(SupervisorTest, StopsTheHighestStageFirstAndWaitsForIt) {
  Add("store", 0);
  Add("coordinator", 1);
  Add("worker-1", 2);
  Add("worker-2", 2);
  runner_.log.clear();
  supervisor_.BeginStop();
  supervisor_.BeginStop();
  EXPECT_THAT(runner_.log, ElementsAre("term 3", "term 4"));
  Exit(4, 0);
  EXPECT_THAT(runner_.log, ElementsAre("term 3", "term 4"));
  Exit(3, 0);
  EXPECT_THAT(runner_.log, ElementsAre("term 3", "term 4", "term 2"));
  Exit(2, 0);
  EXPECT_FALSE(supervisor_.done());
  Exit(1, 0);
  EXPECT_TRUE(supervisor_.done());
  EXPECT_THAT(runner_.log, ElementsAre("term 3", "term 4", "term 2", "term 1"));
}

TEST_F(SupervisorTest, WhatDoesNotEndIsKilledAndTheNextStageHasItsOwnTime) {
  Add("store", 0);
  Add("worker", 1);
  runner_.log.clear();
  supervisor_.BeginStop();
  Advance(milliseconds(29'999));
  EXPECT_THAT(runner_.log, ElementsAre("term 2"));
  Advance(milliseconds(1));
  Advance(milliseconds(1));
  EXPECT_THAT(runner_.log, ElementsAre("term 2", "kill 2"));
  EXPECT_THAT(events_, ElementsAre("worker did not end when asked and is killed"));
  Exit(2, 137);
  Advance(milliseconds(29'999));
  EXPECT_THAT(runner_.log, ElementsAre("term 2", "kill 2", "term 1"));
  Advance(milliseconds(1));
  EXPECT_THAT(runner_.log, ElementsAre("term 2", "kill 2", "term 1", "kill 1"));
}

TEST_F(SupervisorTest, NothingIsStartedWhileStopping) {
  Add("a");
  Add("b");
  Exit(1);  // its restart is due in 100 ms
  supervisor_.BeginStop();
  EXPECT_EQ(supervisor_.Add("c", 0, {.argv = {"c"}}).code(), Code::kFailedPrecondition);
  Exit(2);
  Advance(seconds(60));
  EXPECT_TRUE(supervisor_.done());
  EXPECT_THAT(runner_.log, ElementsAre("start a", "start b", "term 2"));
}

TEST_F(SupervisorTest, StoppingNothingIsDoneAtOnce) {
  EXPECT_FALSE(supervisor_.done());
  supervisor_.BeginStop();
  EXPECT_TRUE(supervisor_.done());
}

}  // namespace
}  // namespace promptcache
