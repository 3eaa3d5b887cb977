// The crash matrix: a process is ended at every write, sync, rename, link and removal of what it
// does to a store, by kill -9 and as by a power cut. What it called durable must be there, whole,
// what it called gone must be gone, nothing half-done may show, and the counters must agree.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <random>
#include <set>
#include <string>

#include "cachestore/disk/open.h"
#include "tests/unit/cachestore/crash/crash_blob.h"
#include "tests/unit/cachestore/crash/crash_script.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

extern char** environ;

namespace promptcache::testing {
namespace {

// What an actor said until it ended.
struct Account {
  bool killed = false;
  int exit_code = 0;
  uint64_t operations = 0;
  std::set<uint32_t> must;  // be there
  std::set<uint32_t> may;
};

Account Watch(std::FILE* out) {
  Account account;
  for (uint32_t seed = 0; seed < kPrepared; ++seed) {
    account.must.insert(seed);
    account.may.insert(seed);
  }
  char what[16] = {};
  unsigned long long number = 0;
  while (std::fscanf(out, "%15s %llu", what, &number) == 2) {
    const std::string said = what;
    const auto seed = static_cast<uint32_t>(number);
    if (said == "will+" || said == "did+") account.may.insert(seed);
    if (said == "did+") account.must.insert(seed);
    if (said == "will-" || said == "did-") account.must.erase(seed);
    if (said == "did-") account.may.erase(seed);
    if (said == "operations") account.operations = number;
  }
  return account;
}

struct Act {
  std::string script;
  uint64_t point = 0;
  std::string kind = "kill";
  uint64_t seed = 1;
};

Account RunActor(const std::string& directory, const Act& act) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string words[] = {PROMPTCACHE_CRASH_ACTOR,   directory, act.script,
                         std::to_string(act.point), act.kind,  std::to_string(act.seed)};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                       words[4].data(), words[5].data(), nullptr};
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::FILE* const out = ::fdopen(ends[0], "r");
  Account account = Watch(out);
  std::fclose(out);
  int status = 0;
  ::waitpid(pid, &status, 0);
  account.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  account.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return account;
}

void ExpectSound(const std::string& directory, const Account& account) {
  FakeClock clock;  // as the actor's: what it gave an hour has it still
  const auto store =
      OpenDiskStore(
          {.directory = directory, .maintain_every = std::chrono::milliseconds(0), .clock = &clock})
          .value();
  EXPECT_EQ(store->report().quarantined_to, "");
  EXPECT_EQ(store->report().damaged_blobs, 0u);
  std::set<UnitKey> allowed;
  for (const uint32_t seed : account.may) allowed.insert(CrashBlob(seed).key);
  const std::vector<BlobInfo> listed = ListAll(store->blobs()).value();
  for (const BlobInfo& info : listed) EXPECT_TRUE(allowed.contains(info.key)) << info.key.ToHex();
  for (const uint32_t seed : account.may) {
    const SampleBlob blob = CrashBlob(seed);
    const auto bytes = GetBytes(store->blobs(), blob.key);
    if (bytes.ok()) {
      EXPECT_TRUE(*bytes == blob.bytes) << "wrong bytes: " << seed;
    } else {
      EXPECT_EQ(bytes.status().code(), Code::kNotFound) << seed << bytes.status().ToString();
      EXPECT_FALSE(account.must.contains(seed)) << "lost: " << seed;
    }
  }
  const CheckReport check = store->admin().Check(CheckMode::kReport).value();
  for (const CheckFinding& finding : check.findings) {
    ADD_FAILURE() << finding.kind << ": " << finding.where;
  }
}

class CrashMatrix : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  static void SetUpTestSuite() {
    prepared_ = new TempDir();
    ASSERT_EQ(RunActor(prepared_->Sub("store"), {.script = "prepare"}).exit_code, 0);
  }
  static void TearDownTestSuite() {
    delete prepared_;
    prepared_ = nullptr;
  }

  // A copy of the prepared store.
  static std::string Copy(const TempDir& dir) {
    const std::string directory = dir.Sub("store");
    std::filesystem::copy(prepared_->Sub("store"), directory,
                          std::filesystem::copy_options::recursive);
    return directory;
  }

  static TempDir* prepared_;
};

TempDir* CrashMatrix::prepared_ = nullptr;

TEST_P(CrashMatrix, EveryPointOfAScript) {
  const auto& [script, kind] = GetParam();
  bool killed = true;
  uint64_t point = 0;
  while (killed && !HasFailure()) {
    const TempDir dir;
    const std::string directory = Copy(dir);
    const Account account = RunActor(directory, {.script = script, .point = ++point, .kind = kind});
    killed = account.killed;
    EXPECT_TRUE(killed || account.exit_code == 0);
    SCOPED_TRACE(script + " " + kind + " point " + std::to_string(point));
    ExpectSound(directory, account);
  }
  EXPECT_GT(point, 4u);
  RecordProperty("points", static_cast<int>(point - 1));
}

std::vector<std::string> ScriptsByPoint() {
  std::vector<std::string> names;
  for (const CrashScript& script : CrashScripts()) {
    if (script.name != "load") names.push_back(script.name);  // CrashLoad has that
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Scripts, CrashMatrix,
                         ::testing::Combine(::testing::ValuesIn(ScriptsByPoint()),
                                            ::testing::Values("kill", "power")),
                         [](const auto& run) {
                           return std::get<0>(run.param) + "_" + std::get<1>(run.param);
                         });

using CrashLoad = CrashMatrix;

// The store of one crash is the next one's: what was left unfinished is swept under fire.
TEST_P(CrashLoad, RandomPointsOneAfterTheOther) {
  const auto& [rounds, kind] = GetParam();
  std::mt19937_64 random(20241126);
  for (int round = 0; round < std::stoi(rounds) && !HasFailure(); ++round) {
    const TempDir dir;
    const std::string directory = Copy(dir);
    const Act act{.script = "load", .point = 1 + random() % 900, .kind = kind, .seed = random()};
    SCOPED_TRACE("load " + kind + " point " + std::to_string(act.point) + " seed " +
                 std::to_string(act.seed));
    const Account first = RunActor(directory, act);
    // Dies once more while it opens what the first left.
    (void)RunActor(directory, {.script = "open", .point = 1 + random() % 12, .kind = kind});
    ExpectSound(directory, first);
  }
}

INSTANTIATE_TEST_SUITE_P(Load, CrashLoad,
                         ::testing::Combine(::testing::Values(PROMPTCACHE_CRASH_ROUNDS),
                                            ::testing::Values("kill", "power")),
                         [](const auto& run) { return std::get<1>(run.param); });

}  // namespace
}  // namespace promptcache::testing
