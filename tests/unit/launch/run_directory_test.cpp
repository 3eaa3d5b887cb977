// Whose a run directory is, and stopping what runs there from outside.
#include "cluster/launch/run_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cluster/launch/process_runner.h"
#include "cluster/launch/stop_cluster.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDirectory;

class RunDirectoryTest : public ::testing::Test {
 protected:
  std::string Path() const { return (directory_.path() / "run").string(); }
  bool Exists(const std::string& name) const {
    return std::filesystem::exists(std::filesystem::path(Path()) / name);
  }
  void Write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(Path());
    std::ofstream(std::filesystem::path(Path()) / name) << text;
  }
  void WriteReady(const std::string& process, const ProcessStamp& stamp) const {
    Write(process + ".ready",
          json{{"pid", stamp.pid}, {"started", stamp.started}, {"boot", stamp.boot}}.dump());
  }
  Status Stop(milliseconds patience = milliseconds(0)) const {
    return StopLocalCluster({.run_directory = Path(), .patience = patience}).status();
  }
  // A child that lives until it is killed, or asked when it minds.
  pid_t Start(const std::string& script) {
    const auto pid = runner_->Start(
        {.argv = {"/bin/sh", "-c", script}, .log_file = (directory_.path() / "log").string()});
    EXPECT_TRUE(pid.ok()) << pid.status().ToString();
    return pid.ok() ? *pid : -1;
  }

  const TempDirectory directory_;
  const std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
};

TEST_F(RunDirectoryTest, SaysWhoseItIsUntilItIsGivenBack) {
  {
    const auto run = RunDirectory::Take(Path());
    ASSERT_TRUE(run.ok()) << run.status().ToString();
    EXPECT_FALSE(run->was_stale());
    EXPECT_EQ(RunDirectory::OwnerOf(Path())->supervisor, StampOf(::getpid()));
    EXPECT_FALSE(RunDirectory::OwnerOf(Path())->stopping);
    EXPECT_TRUE(*RunDirectory::IsTaken(Path()));
    EXPECT_EQ(RunDirectory::Take(Path()).status().code(), Code::kFailedPrecondition);
    run->NoteStopping();
    EXPECT_TRUE(RunDirectory::OwnerOf(Path())->stopping);
    EXPECT_TRUE(run->WriteEndpoints({{"client_endpoint", "x"}}).ok());
    WriteReady("store", *StampOf(::getpid()));
  }
  EXPECT_FALSE(*RunDirectory::IsTaken(Path()));
  EXPECT_FALSE(RunDirectory::OwnerOf(Path()));
  EXPECT_FALSE(Exists("cluster.json"));
  EXPECT_FALSE(Exists("store.ready"));
}

TEST_F(RunDirectoryTest, WhatADeadClusterLeftIsCleanedByTheNext) {
  Write("up.json", R"({"pid": 1, "started": 7, "boot": "x", "stopping": false})");
  Write("store.ready", "{}");
  Write("store.log", "words");
  const auto run = RunDirectory::Take(Path());
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  EXPECT_TRUE(run->was_stale());
  EXPECT_FALSE(Exists("store.ready"));
  EXPECT_TRUE(Exists("store.log"));
}

TEST_F(RunDirectoryTest, LiveMembersAreThoseThatCanBeProven) {
  ProcessStamp other = *StampOf(::getpid());
  WriteReady("worker-1", other);
  ++other.started;
  WriteReady("worker-2", other);
  Write("worker-3.ready", "{}");
  Write("worker-4.ready", "{\"pid\": \"x\", \"started\": -1, \"boot\": 7}");
  Write("worker-5.ready", "garbage");
  std::vector<std::string> names;
  for (const auto& member : RunDirectory::LiveMembers(Path())) names.push_back(member.name);
  EXPECT_THAT(names, ElementsAre("worker-1"));
  EXPECT_THAT(RunDirectory::LiveMembers("/nowhere"), IsEmpty());
}

TEST_F(RunDirectoryTest, ThereIsNothingToStopWhereNothingWasStarted) {
  EXPECT_EQ(Stop().code(), Code::kNotFound);
  EXPECT_THAT(Stop().message(), HasSubstr("no cluster was started in " + Path()));
  { EXPECT_TRUE(RunDirectory::Take(Path()).ok()); }
  EXPECT_EQ(Stop().code(), Code::kNotFound);
  EXPECT_THAT(Stop().message(), HasSubstr("no cluster runs in " + Path()));
}

TEST_F(RunDirectoryTest, AProcessThatOnlyHasTheNumberIsNotSignalled) {
  const pid_t innocent = Start("exec sleep 1000");
  ProcessStamp stamp = *StampOf(innocent);
  ++stamp.started;
  {
    const auto run = RunDirectory::Take(Path());
    ASSERT_TRUE(run.ok());
    Write("up.json",
          json{{"pid", stamp.pid}, {"started", stamp.started}, {"boot", stamp.boot}}.dump());
    EXPECT_EQ(Stop().code(), Code::kFailedPrecondition);
  }
  Write("up.json",
        json{{"pid", stamp.pid}, {"started", stamp.started}, {"boot", stamp.boot}}.dump());
  EXPECT_EQ(*StopLocalCluster({.run_directory = Path()}), StopOutcome::kWasStale);
  EXPECT_FALSE(runner_->PollExit());
  EXPECT_TRUE(StampOf(innocent));
}

TEST_F(RunDirectoryTest, ALiveProcessWithoutTheLockIsNoSupervisor) {
  const pid_t innocent = Start("exec sleep 1000");
  { EXPECT_TRUE(RunDirectory::Take(Path()).ok()); }
  const ProcessStamp stamp = *StampOf(innocent);
  Write("up.json",
        json{{"pid", stamp.pid}, {"started", stamp.started}, {"boot", stamp.boot}}.dump());
  EXPECT_EQ(*StopLocalCluster({.run_directory = Path()}), StopOutcome::kWasStale);
  EXPECT_TRUE(StampOf(innocent));
  EXPECT_FALSE(Exists("up.json"));
}

TEST_F(RunDirectoryTest, WhatADeadClusterStillEndsIsWaitedForAndNamed) {
  { EXPECT_TRUE(RunDirectory::Take(Path()).ok()); }
  const pid_t late = Start("exec sleep 1000");
  Write("up.json", R"({"pid": 1, "started": 7, "boot": "x"})");
  WriteReady("worker-1", *StampOf(late));
  const Status waited = Stop();
  EXPECT_EQ(waited.code(), Code::kDeadlineExceeded);
  EXPECT_THAT(waited.message(), HasSubstr("worker-1"));
  runner_->Terminate(late);
  EXPECT_TRUE(Stop(milliseconds(30'000)).ok());
  EXPECT_FALSE(Exists("worker-1.ready"));
}

}  // namespace
}  // namespace promptcache
