// Real children, all of them /bin/sh.
#include "cluster/launch/process_runner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using testing::Eventually;
using ::testing::HasSubstr;
using testing::TempDirectory;

class ProcessRunnerTest : public ::testing::Test {
 protected:
  pid_t Start(const std::string& script) {
    auto pid = runner_->Start(Shell(script));
    EXPECT_TRUE(pid.ok()) << pid.status().ToString();
    return pid.ok() ? *pid : -1;
  }
  ProcessCommand Shell(const std::string& script) const {
    return {.argv = {"/bin/sh", "-c", script}, .log_file = log_};
  }
  // The exit of the next child that ends; -1 when none does.
  int WaitExit(pid_t pid) {
    std::optional<ProcessExit> exit;
    if (!Eventually([&] { return (exit = runner_->PollExit()).has_value(); })) return -1;
    EXPECT_EQ(exit->pid, pid);
    return exit->code;
  }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(log_).rdbuf();
    return text.str();
  }
  bool WaitLog(const std::string& text) const {
    return Eventually([&] { return Log() == text; });
  }
  static bool Exists(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

  TempDirectory directory_;
  const std::string log_ = (directory_.path() / "log").string();
  std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
};

TEST_F(ProcessRunnerTest, TellsExitCodesAndSignals) {
  EXPECT_EQ(WaitExit(Start("exit 3")), 3);
  EXPECT_EQ(WaitExit(Start("exit 0")), 0);
  EXPECT_EQ(WaitExit(Start("kill -9 $$")), 128 + SIGKILL);
  EXPECT_FALSE(runner_->PollExit());
}

TEST_F(ProcessRunnerTest, AppendsOutputAndErrorsToTheLog) {
  EXPECT_EQ(WaitExit(Start("echo one; echo two >&2")), 0);
  EXPECT_EQ(WaitExit(Start("echo three")), 0);
  EXPECT_EQ(Log(), "one\ntwo\nthree\n");
}

TEST_F(ProcessRunnerTest, LeavesNoZombie) {
  const pid_t pid = Start("exit 0");
  EXPECT_TRUE(Exists(pid));
  EXPECT_EQ(WaitExit(pid), 0);
  EXPECT_FALSE(Exists(pid));
}

TEST_F(ProcessRunnerTest, TheChildReadsNothing) {
  EXPECT_EQ(WaitExit(Start("read line || echo end of input")), 0);
  EXPECT_EQ(Log(), "end of input\n");
}

TEST_F(ProcessRunnerTest, TheChildInheritsNoFile) {
  const int fd = ::fcntl(STDERR_FILENO, F_DUPFD, 200);
  ASSERT_GE(fd, 200);
  EXPECT_EQ(WaitExit(Start("test -e /proc/$$/fd/" + std::to_string(fd))), 1);
  EXPECT_EQ(WaitExit(Start("test -e /proc/$$/fd/2")), 0);
  ::close(fd);
}

TEST_F(ProcessRunnerTest, TheChildLeadsAProcessGroup) {
  const pid_t pid = Start("echo up; exec sleep 1000");
  ASSERT_TRUE(WaitLog("up\n"));
  EXPECT_EQ(::getpgid(pid), pid);
  EXPECT_NE(::getpgid(0), pid);
}

TEST_F(ProcessRunnerTest, TerminateLetsTheChildFinish) {
  const pid_t pid = Start("sleep 1000 & trap \"kill $!; exit 7\" TERM; echo up; wait");
  ASSERT_TRUE(WaitLog("up\n"));
  runner_->Terminate(pid);
  EXPECT_EQ(WaitExit(pid), 7);
}

TEST_F(ProcessRunnerTest, KillEndsAChildThatIgnoresTerminate) {
  const pid_t pid = Start("trap '' TERM; echo up; exec sleep 1000");
  ASSERT_TRUE(WaitLog("up\n"));
  runner_->Terminate(pid);
  runner_->Kill(pid);
  EXPECT_EQ(WaitExit(pid), 128 + SIGKILL);
}

TEST_F(ProcessRunnerTest, SignalsOnlyItsOwnChildren) {
  runner_->Terminate(::getpid());
  runner_->Kill(::getpid());
  const pid_t pid = Start("exit 0");
  EXPECT_EQ(WaitExit(pid), 0);
  runner_->Kill(pid);
}

TEST_F(ProcessRunnerTest, BlockedSignalsAreNotInherited) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const pid_t pid = Start("echo up; exec sleep 1000");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(WaitLog("up\n"));
  runner_->Terminate(pid);
  EXPECT_EQ(WaitExit(pid), 128 + SIGTERM);
}

TEST_F(ProcessRunnerTest, TheChildEndsWithTheThreadThatStartedIt) {
  pid_t pid = 0;
  std::thread([&] {
    pid = Start("echo up; exec sleep 1000");
    EXPECT_TRUE(WaitLog("up\n"));
  }).join();
  EXPECT_EQ(WaitExit(pid), 128 + SIGTERM);
}

TEST_F(ProcessRunnerTest, ItsEndKillsAndReapsWhatStillRuns) {
  const pid_t pid = Start("trap '' TERM; echo up; exec sleep 1000");
  ASSERT_TRUE(WaitLog("up\n"));
  runner_ = nullptr;
  EXPECT_FALSE(Exists(pid));
}

TEST_F(ProcessRunnerTest, AnEndThatTheSystemDidNotKeepIsNoticed) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(WaitExit(Start("exit 0")), 255);
  std::signal(SIGCHLD, before);
}

TEST_F(ProcessRunnerTest, RefusesWhatCannotBeStarted) {
  EXPECT_EQ(runner_->Start({}).status().code(), Code::kInvalidArgument);
  const auto missing =
      runner_->Start({.argv = {(directory_.path() / "none").string()}, .log_file = log_});
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("none"));
  const auto no_log =
      runner_->Start({.argv = {"/bin/sh"}, .log_file = (directory_.path() / "a" / "b").string()});
  EXPECT_EQ(no_log.status().code(), Code::kUnavailable);
  EXPECT_THAT(no_log.status().message(), HasSubstr("a/b"));
}

TEST_F(ProcessRunnerTest, AFileThatIsNoProgramSaysSoInItsLog) {
  const std::string program = (directory_.path() / "program").string();
  std::ofstream(program) << "neither ELF nor script";
  ASSERT_EQ(::chmod(program.c_str(), 0755), 0);
  const auto pid = runner_->Start({.argv = {program}, .log_file = log_});
  ASSERT_TRUE(pid.ok());
  EXPECT_EQ(WaitExit(*pid), 127);
  EXPECT_THAT(Log(), HasSubstr("cannot execute " + program));
}

}  // namespace
}  // namespace promptcache
