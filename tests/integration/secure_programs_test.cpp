// Keys from the command line, and a cachestore that lets in those on its list.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cluster/launch/process_runner.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class SecurePrograms : public ::testing::Test {
 protected:
  ~SecurePrograms() override {
    if (pid_ == 0) return;
    ::kill(pid_, SIGTERM);
    std::optional<ProcessExit> exit;
    EXPECT_TRUE(Eventually([&] { return (exit = runner_->PollExit()).has_value(); }));
    EXPECT_TRUE(exit && exit->code == 0);
  }

  std::string File(const std::string& name) const { return files_.Sub(name); }

  // A key, and a configuration file of who uses it.
  void MakeKey(const std::string& name, const std::string& role) {
    const ProgramResult made = RunProgram(
        "promptcache", {"keygen", "--name", name, "--role", role, "--out", File(name + ".key")});
    EXPECT_EQ(made.exit_code, 0) << made.errors;
    said_ += made.output + made.errors;
    std::ofstream(File(name + ".toml")) << "[security]\nown_key = \"" << File(name + ".key")
                                        << "\"\nkeys = \"" << File("keys.toml") << "\"\n";
    const std::string text = ReadFile(File(name + ".key"));
    secrets_.push_back(text.substr(text.find("secret-key ") + 11, 40));
  }
  ProgramResult Keys(std::vector<std::string> words) const {
    words.insert(words.begin(), "keys");
    words.insert(words.end(), {"--keys", File("keys.toml")});
    return RunProgram("promptcache", words);
  }
  void StartStore() {
    const auto pid =
        runner_->Start({.argv = {(ProgramDirectory() / "promptcache-cachestore").string(),
                                 "--config", File("store.toml"), "--directory", File("data"),
                                 "--endpoint", "tcp://127.0.0.1:*", "--ready-file", File("ready")},
                        .log_file = File("log")});
    ASSERT_TRUE(pid.ok()) << pid.status().ToString();
    pid_ = *pid;
    ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(File("ready")); }))
        << ReadFile(File("log"));
    endpoint_ = json::parse(ReadFile(File("ready"))).at("endpoint");
  }
  // `promptcache store stat` of who has this key; nobody's without a name.
  ProgramResult Stat(const std::string& name) {
    std::vector<std::string> words = {"store", "stat", "--endpoint", endpoint_};
    if (!name.empty()) words.insert(words.begin(), {"--config", File(name + ".toml")});
    ProgramResult result = RunProgram("promptcache", words);
    said_ += result.output + result.errors;
    return result;
  }

  const TempDir files_;
  const std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
  pid_t pid_ = 0;
  std::string endpoint_;
  std::string said_;  // what programs printed
  std::vector<std::string> secrets_;
};

TEST_F(SecurePrograms, ACachestoreServesTheKeysOnItsListUntilTheyAreRevoked) {
  MakeKey("store", "store");
  MakeKey("ops", "admin");
  MakeKey("mallory", "admin");
  MakeKey("alice", "client");
  EXPECT_EQ(Keys({"allow", File("ops.key.pub")}).exit_code, 0);
  EXPECT_EQ(Keys({"allow", File("alice.key.pub")}).exit_code, 0);
  StartStore();
  EXPECT_THAT(endpoint_, HasSubstr("#"));

  const ProgramResult served = Stat("ops");
  EXPECT_EQ(served.exit_code, 0) << served.errors;
  EXPECT_THAT(Stat("mallory").errors, HasSubstr("does not let this key in"));
  EXPECT_THAT(Stat("alice").errors, HasSubstr("needs admin"));
  EXPECT_THAT(Stat("").errors, HasSubstr("security.own_key"));

  EXPECT_EQ(Keys({"revoke", "ops"}).exit_code, 0);
  EXPECT_EQ(Keys({"allow", File("mallory.key.pub")}).exit_code, 0);
  ::kill(pid_, SIGHUP);
  EXPECT_TRUE(Eventually([&] { return Stat("ops").exit_code != 0; }));
  EXPECT_EQ(Stat("mallory").exit_code, 0);
  for (const std::string& secret : secrets_) {
    EXPECT_THAT(said_ + ReadFile(File("log")), Not(HasSubstr(secret)));
  }
}

TEST_F(SecurePrograms, KeysAreListedAndNeverReplaced) {
  MakeKey("gpu-1", "worker");
  MakeKey("alice", "client");
  EXPECT_EQ(Keys({"allow", File("gpu-1.key.pub")}).exit_code, 0);
  EXPECT_EQ(Keys({"allow", File("alice.key.pub")}).exit_code, 0);
  EXPECT_NE(Keys({"allow", File("alice.key.pub")}).exit_code, 0);
  const json list = json::parse(Keys({"ls", "--json"}).output);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].at("name"), "gpu-1");
  EXPECT_EQ(list[0].at("role"), "worker");
  EXPECT_THAT(Keys({"ls"}).output, HasSubstr(list[1].at("public_key").get<std::string>()));
  const ProgramResult again = RunProgram(
      "promptcache", {"keygen", "--name", "b", "--role", "admin", "--out", File("alice.key")});
  EXPECT_EQ(again.exit_code, 5);
  EXPECT_EQ(Keys({"revoke", "nobody"}).exit_code, 4);
  EXPECT_EQ(
      RunProgram("promptcache", {"keygen", "--name", "b", "--role", "root", "--out", File("b.key")})
          .exit_code,
      3);
}

TEST_F(SecurePrograms, AKeyIsNotWrittenWithoutItsDirectory) {
  const ProgramResult made = RunProgram(
      "promptcache", {"keygen", "--name", "a", "--role", "admin", "--out", File("missing/a.key")});
  EXPECT_EQ(made.exit_code, 4);
  EXPECT_THAT(made.errors, HasSubstr("missing/a.key"));
}

TEST_F(SecurePrograms, AKeyFileThatOthersMayReadIsNotUsed) {
  MakeKey("store", "store");
  EXPECT_EQ(Keys({"allow", File("store.key.pub")}).exit_code, 0);
  std::filesystem::permissions(File("store.key"), std::filesystem::perms(0644));
  const ProgramResult refused =
      RunProgram("promptcache-cachestore", {"--config", File("store.toml"), "--directory",
                                            File("data"), "--endpoint", "tcp://127.0.0.1:*"});
  EXPECT_EQ(refused.exit_code, 6);
  EXPECT_THAT(refused.errors, HasSubstr("chmod 600 " + File("store.key")));
}

}  // namespace
}  // namespace promptcache::testing
