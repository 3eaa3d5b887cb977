// Real processes, all of them children of the test.
#include "common/process_stamp.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace promptcache {
namespace {

using std::chrono::milliseconds;

class Child {
 public:
  Child() : pid_(::fork()) {
    if (pid_ != 0) return;
    for (;;) ::pause();
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    Reap();
  }
  void Reap() {
    if (std::exchange(reaped_, true)) return;
    ::waitpid(pid_, &status_, 0);
  }
  pid_t pid() const { return pid_; }
  int status() const { return status_; }

 private:
  pid_t pid_;
  int status_ = 0;
  bool reaped_ = false;
};

TEST(ProcessStamp, IsTheSameWhileTheProcessLives) {
  const auto self = StampOf(::getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_GT(self->started, 0u);
  EXPECT_FALSE(self->boot.empty());
  EXPECT_EQ(StampOf(::getpid()), self);
  EXPECT_FALSE(StampOf(-1));
  EXPECT_FALSE(StampOf(0));
}

TEST(ProcessStamp, AProcessThatHasEndedHasNoneEvenBeforeItIsReaped) {
  Child child;
  EXPECT_TRUE(StampOf(child.pid()));
  const auto handle = ProcessHandle::Open(*StampOf(child.pid()));
  ::kill(child.pid(), SIGKILL);
  ASSERT_TRUE(handle->EndsWithin(milliseconds(30'000)));
  EXPECT_FALSE(StampOf(child.pid()));
  child.Reap();
  EXPECT_FALSE(StampOf(child.pid()));
}

TEST(ProcessHandle, EndsTheProcessThatWasMeant) {
  Child child;
  const auto handle = ProcessHandle::Open(*StampOf(child.pid()));
  ASSERT_TRUE(handle);
  EXPECT_FALSE(handle->EndsWithin(milliseconds(0)));
  EXPECT_TRUE(handle->Terminate().ok());
  EXPECT_TRUE(handle->EndsWithin(milliseconds(30'000)));
  child.Reap();
  EXPECT_EQ(WTERMSIG(child.status()), SIGTERM);
  EXPECT_TRUE(handle->Terminate().ok());
}

TEST(ProcessHandle, AnotherLifeOfTheSameNumberIsNotMeant) {
  Child child;
  ProcessStamp stamp = *StampOf(child.pid());
  ++stamp.started;
  EXPECT_FALSE(ProcessHandle::Open(stamp));
  --stamp.started;
  stamp.boot = "another start of the machine";
  EXPECT_FALSE(ProcessHandle::Open(stamp));
  EXPECT_FALSE(ProcessHandle::Open({}));
  EXPECT_FALSE(ProcessHandle::Open({.pid = -1}));
}

}  // namespace
}  // namespace promptcache
