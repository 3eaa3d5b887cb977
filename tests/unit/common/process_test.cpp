#include "common/process.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(OpenFiles, AreRaisedToWhatTheSystemAllows) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(RaiseOpenFiles(), before.rlim_max);
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(WriteNewFile, WritesForItsOwnerAlone) {
  const TempDir dir;
  ASSERT_TRUE(WriteNewFile(dir.Sub("new"), "text").ok());
  EXPECT_EQ(Read(dir.Sub("new")), "text");
  EXPECT_EQ(fs::status(dir.Sub("new")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST(WriteNewFile, LeavesAFileThatIsThereAndNothingBesideIt) {
  const TempDir dir;
  ASSERT_TRUE(WriteNewFile(dir.Sub("new"), "first").ok());
  const Status again = WriteNewFile(dir.Sub("new"), "second");
  EXPECT_EQ(again.code(), Code::kAlreadyExists);
  EXPECT_NE(again.message().find(dir.Sub("new")), std::string::npos);
  EXPECT_EQ(Read(dir.Sub("new")), "first");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
}

TEST(WriteNewFile, WithoutItsDirectoryIsNotFound) {
  const TempDir dir;
  const Status status = WriteNewFile(dir.Sub("missing/new"), "text");
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_NE(status.message().find(dir.Sub("missing/new")), std::string::npos);
}

TEST(WriteFileAtomically, ReplacesAFileThatIsThere) {
  const TempDir dir;
  ASSERT_TRUE(WriteFileAtomically(dir.Sub("file"), "first").ok());
  ASSERT_TRUE(WriteFileAtomically(dir.Sub("file"), "second").ok());
  EXPECT_EQ(Read(dir.Sub("file")), "second");
}

TEST(ProcessName, IsThatOfTheProgram) {
  EXPECT_EQ(Read("/proc/self/comm"), fs::path(ProgramPath()).filename().string() + "\n");
}

TEST(RestartWithEnvironment, KeepsTheProcessName) {
  const auto restart = [] {
    const EnvironmentVariable variable{"PROMPTCACHE_TEST", "yes"};
    std::string program = "program";
    std::string filter = "--gtest_filter=ProcessName.*";
    std::array<char*, 3> argv = {program.data(), filter.data(), nullptr};
    RestartWithEnvironment({&variable, 1}, argv.data());
  };
  EXPECT_EXIT(restart(), ::testing::ExitedWithCode(0), "");
}

TEST(ReloadSignal, CallsForSignalsAndEndsByItself) {
  std::atomic<int> calls{0};
  const ReloadSignal signal([&calls] { ++calls; });
  for (const int wanted : {1, 2}) {
    ::kill(::getpid(), SIGHUP);
    while (calls < wanted) std::this_thread::yield();
  }
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace promptcache
