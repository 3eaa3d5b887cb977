// `promptcache up` and `down` with real processes: a coordinator and a cachestore.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cluster/launch/process_runner.h"
#include "cluster/launch/run_directory.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class UpDown : public ::testing::Test {
 protected:
  UpDown() {
    fs::create_directories(File("model"));
    WriteTinyModel("llama_mha", File("model"));
    std::ofstream(File("cluster.toml"))
        << "[coordinator]\nclient_endpoint = \"tcp://127.0.0.1:*\"\n"
           "worker_endpoint = \"tcp://127.0.0.1:*\"\nmodel = \""
        << File("model") << "\"\n[store]\nendpoint = \"tcp://127.0.0.1:*\"\n"
        << "[cluster]\nrun_directory = \"" << Run() << "\"\n";
  }

  std::string File(const std::string& name) const { return files_.Sub(name); }
  std::string Run() const { return File("run"); }

  // `promptcache up`, until it serves.
  pid_t Up(const std::string& only) {
    const auto pid =
        runner_->Start({.argv = {(ProgramDirectory() / "promptcache").string(), "--config",
                                 File("cluster.toml"), "up", "--only", only},
                        .log_file = File("up.log")});
    EXPECT_TRUE(pid.ok()) << pid.status().ToString();
    EXPECT_TRUE(Eventually([&] { return fs::exists(fs::path(Run()) / "cluster.json"); }))
        << ReadFile(File("up.log"));
    return pid.ok() ? *pid : -1;
  }
  int ExitOfUp() {
    std::optional<ProcessExit> exit;
    EXPECT_TRUE(Eventually([&] { return (exit = runner_->PollExit()).has_value(); }));
    return exit ? exit->code : -1;
  }
  ProgramResult Down(std::vector<std::string> words = {}) const {
    words.insert(words.begin(), {"--config", File("cluster.toml"), "down"});
    return RunProgram("promptcache", words);
  }
  std::vector<std::string> Live() const {
    std::vector<std::string> names;
    for (const auto& member : RunDirectory::LiveMembers(Run())) names.push_back(member.name);
    return names;
  }
  nlohmann::json Endpoints() const {
    return nlohmann::json::parse(ReadFile(fs::path(Run()) / "cluster.json"));
  }

  const TempDir files_;
  const std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
};

TEST_F(UpDown, DownStopsWhatUpStartedInOrder) {
  Up("coordinator,store");
  EXPECT_THAT(Live(), ElementsAre("coordinator", "store"));
  const ProgramResult down = Down();
  EXPECT_EQ(down.exit_code, 0) << down.errors;
  EXPECT_EQ(down.output, "stopped\n");
  EXPECT_EQ(ExitOfUp(), 0);
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_FALSE(fs::exists(fs::path(Run()) / "cluster.json"));
  const std::string log = ReadFile(File("up.log"));
  EXPECT_LT(log.find("coordinator ended with 0"), log.find("store ended with 0"));

  const ProgramResult again = Down();
  EXPECT_EQ(again.exit_code, 4);
  EXPECT_THAT(again.errors, HasSubstr("no cluster runs in " + Run()));
}

TEST_F(UpDown, ADirectoryWhoseSupervisorDiedIsSaidAndCleaned) {
  const pid_t up = Up("coordinator,store");
  ::kill(up, SIGKILL);
  EXPECT_EQ(ExitOfUp(), 128 + SIGKILL);
  const ProgramResult down = Down();
  EXPECT_EQ(down.exit_code, 0) << down.errors;
  EXPECT_THAT(down.output, HasSubstr("had ended without being stopped"));
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_FALSE(fs::exists(fs::path(Run()) / "up.json"));
}

TEST_F(UpDown, ACachestoreAloneNeedsNoModel) {
  Up("store");
  EXPECT_THAT(Live(), ElementsAre("store"));
  EXPECT_EQ(Endpoints().at("client_endpoint"), "");
  const ProgramResult stat =
      RunProgram("promptcache", {"store", "stat", "--endpoint", Endpoints().at("store_endpoint")});
  EXPECT_EQ(stat.exit_code, 0) << stat.errors;
  EXPECT_EQ(Down().exit_code, 0);
  EXPECT_EQ(ExitOfUp(), 0);
}

TEST_F(UpDown, ADetachedClusterServesUntilItIsStopped) {
  const auto up = [&] {
    return RunProgram("promptcache",
                      {"--config", File("cluster.toml"), "up", "--only", "store", "--detach"});
  };
  const ProgramResult first = up();
  EXPECT_EQ(first.exit_code, 0) << first.errors;
  EXPECT_THAT(Live(), ElementsAre("store"));
  const pid_t supervisor = RunDirectory::OwnerOf(Run())->supervisor.pid;
  EXPECT_EQ(ReadFile("/proc/" + std::to_string(supervisor) + "/comm"), "promptcache\n");
  const ProgramResult second = up();
  EXPECT_EQ(second.exit_code, 6);
  EXPECT_THAT(second.errors, HasSubstr("in use by another cluster"));
  EXPECT_THAT(ReadFile(fs::path(Run()) / "up.log"), Not(HasSubstr("in use")));
  EXPECT_EQ(Down().exit_code, 0);
  EXPECT_THAT(Live(), IsEmpty());
}

TEST_F(UpDown, SaysHowToStopItFromAnywhere) {
  const ProgramResult up =
      RunProgram("promptcache", {"--config", File("cluster.toml"), "up", "--only", "store",
                                 "--detach", "--run-directory", fs::relative(Run()).string()});
  EXPECT_THAT(up.output, HasSubstr("stop with `promptcache down --run-directory " + Run() + "`"));
  EXPECT_EQ(Down().exit_code, 0);
}

TEST_F(UpDown, WhatDoesNotEndInTimeIsNamedAndIsNotAskedTwice) {
  Up("store");
  const pid_t store = RunDirectory::LiveMembers(Run()).at(0).stamp.pid;
  ::kill(store, SIGSTOP);
  const ProgramResult waited = Down({"--timeout", "0"});
  EXPECT_EQ(waited.exit_code, 10);
  EXPECT_TRUE(Eventually([&] { return RunDirectory::OwnerOf(Run())->stopping; }));
  EXPECT_THAT(Down({"--timeout", "0"}).errors, HasSubstr("still stopping (store)"));
  ::kill(store, SIGCONT);
  EXPECT_EQ(ExitOfUp(), 0);
  EXPECT_THAT(ReadFile(File("up.log")), HasSubstr("store ended with 0"));
}

TEST_F(UpDown, RefusesWhatItCannotStart) {
  const auto up = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--config", File("cluster.toml"), "up"});
    return RunProgram("promptcache", words);
  };
  EXPECT_EQ(up({"--only", "coordinator,client"}).exit_code, 2);
  const ProgramResult gpus = up({"--gpus", "0,0"});
  EXPECT_EQ(gpus.exit_code, 3);
  EXPECT_THAT(gpus.errors, HasSubstr("each once"));
  EXPECT_FALSE(fs::exists(Run()));
  EXPECT_EQ(Down().exit_code, 4);
}

TEST_F(UpDown, EndsWithTheNumberOfWhatIsWrong) {
  const auto up = [&](const std::string& model) {
    return RunProgram("promptcache", {"--config", File("cluster.toml"), "up", "--only",
                                      "coordinator", "--model", model});
  };
  EXPECT_EQ(up(File("missing.gguf")).exit_code, 4);
  std::ofstream(File("text.gguf")) << "no model";
  EXPECT_EQ(up(File("text.gguf")).exit_code, 3);
  std::string settings = ReadFile(File("cluster.toml"));
  settings.insert(settings.find("client_endpoint"), "policy = \"nonsense\"\n");
  std::ofstream(File("cluster.toml")) << settings;
  EXPECT_EQ(up(File("model")).exit_code, 3);
  Up("store");
  EXPECT_EQ(up(File("model")).exit_code, 6);
}

}  // namespace
}  // namespace promptcache::testing
