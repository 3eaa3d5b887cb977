// A writing process is killed at any moment; what it called committed must be there, whole, and
// nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <set>
#include <string>

#include "cachestore/disk/open.h"
#include "cachestore/format/blob.h"
#include "tests/unit/cachestore/crash_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

extern char** environ;

namespace promptcache::testing {
namespace {

// crash_writer on a directory.
class WriterProcess {
 public:
  explicit WriterProcess(const std::string& directory) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string program = PROMPTCACHE_CRASH_WRITER;
    std::string argument = directory;
    char* const arguments[] = {program.data(), argument.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ::fdopen(ends[0], "r");
  }
  ~WriterProcess() {
    Kill();
    std::fclose(out_);
  }

  // The next seed that it says is committed.
  std::optional<uint32_t> Next() {
    uint32_t seed = 0;
    if (std::fscanf(out_, "%u", &seed) != 1) return std::nullopt;
    return seed;
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  std::FILE* out_ = nullptr;
};

// What was said before the kill, also what was still in the pipe.
std::set<uint32_t> CommittedUntilKilled(const std::string& directory, size_t count) {
  WriterProcess writer(directory);
  std::set<uint32_t> committed;
  while (committed.size() < count) {
    const auto seed = writer.Next();
    if (!seed) {
      ADD_FAILURE() << "the writer ended by itself";
      return committed;
    }
    committed.insert(*seed);
  }
  writer.Kill();
  while (const auto seed = writer.Next()) committed.insert(*seed);
  return committed;
}

TEST(StoreCrash, KilledWriterKeepsWhatItCommittedAndShowsNothingHalfWritten) {
  for (const size_t count : {1u, 2u, 5u, 9u, 14u}) {
    TempDir dir;
    const std::string directory = dir.Sub("store");
    const std::set<uint32_t> committed = CommittedUntilKilled(directory, count);
    const auto store = OpenDiskStore({.directory = directory}).value();
    EXPECT_EQ(store->report().quarantined_to, "");
    EXPECT_EQ(store->report().damaged_blobs, 0u);
    for (const uint32_t seed : committed) {
      const SampleBlob blob = CrashBlob(seed);
      const auto bytes = GetBytes(store->blobs(), blob.key);
      ASSERT_TRUE(bytes.ok()) << seed << ": " << bytes.status().ToString();
      EXPECT_TRUE(*bytes == blob.bytes) << seed;
    }
    // One more may have been committed but not told.
    const auto list = ListAll(store->blobs()).value();
    EXPECT_LE(list.size(), committed.size() + 1);
    for (const BlobInfo& info : list) {
      EXPECT_TRUE(VerifyBlob(GetBytes(store->blobs(), info.key).value()).ok());
    }
    for (uint32_t seed = 0; seed < committed.size() + 2; ++seed) {
      const UnitKey never = CrashBlob(kNeverCommitted + seed).key;
      EXPECT_EQ(store->blobs().Open(never).status().code(), Code::kNotFound);
    }
  }
}

// Killed twice, the second time with the chunks of the first still to be swept.
TEST(StoreCrash, WriterThatIsKilledAgainAndAgainLosesNothing) {
  TempDir dir;
  const std::string directory = dir.Sub("store");
  const std::set<uint32_t> first = CommittedUntilKilled(directory, 3);
  {
    const auto store = OpenDiskStore({.directory = directory}).value();
    for (const uint32_t seed : first) {
      ASSERT_TRUE(store->blobs().Remove(CrashBlob(seed).key).ok());
    }
  }
  const std::set<uint32_t> second = CommittedUntilKilled(directory, 4);
  const auto store = OpenDiskStore({.directory = directory}).value();
  for (const uint32_t seed : second) {
    const SampleBlob blob = CrashBlob(seed);
    EXPECT_TRUE(GetBytes(store->blobs(), blob.key).value() == blob.bytes) << seed;
  }
}

}  // namespace
}  // namespace promptcache::testing
