// A cluster whose programs are shell scripts: what they are told, and in what order they live.
#include "cluster/launch/local_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDirectory;

std::vector<std::string> LinesOf(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class LocalClusterTest : public ::testing::Test {
 protected:
  LocalClusterTest() {
    std::filesystem::create_directories(Bin());
    WriteProgram("promptcache-cachestore", R"({"endpoint": "tcp://127.0.0.1:7001"})");
    WriteProgram("promptcache-coordinator", R"({"client_endpoint": "tcp://127.0.0.1:7002",
                 "worker_endpoint": "tcp://127.0.0.1:7003"})");
    WriteProgram("promptcache-worker", R"({"name": "w"})");
    options_.bin_directory = Bin().string();
    options_.run_directory = Run().string();
    options_.settings = DefaultSettings();
    options_.settings.coordinator.model = "model.gguf";
    options_.settings.coordinator.client_endpoint = "tcp://127.0.0.1:*";
    options_.settings.coordinator.worker_endpoint = "tcp://127.0.0.1:*";
    options_.settings.store.endpoint = "tcp://127.0.0.1:*";
    options_.settings.cluster.workers = 2;
  }

  std::filesystem::path Bin() const { return directory_.path() / "bin"; }
  std::filesystem::path Run() const { return directory_.path() / "run"; }

  void WriteScript(const std::string& name, const std::string& script) {
    std::ofstream(Bin() / name) << "#!/bin/sh\n" << script;
    ASSERT_EQ(::chmod((Bin() / name).c_str(), 0755), 0);
  }
  // Notes its arguments as a line, is ready with `ready` and lives until it is asked to end.
  void WriteProgram(const std::string& name, const std::string& ready) {
    WriteScript(name, "cd " + directory_.path().string() + "\n" + "echo \"$*\" >> " + name +
                          ".args\n"
                          "for ready in \"$@\"; do :; done\n"
                          "sleep 1000 & sleeper=$!\n"
                          "trap 'kill $sleeper; echo " +
                          name +
                          " >> ended; exit 0' TERM\n"
                          "echo '" +
                          ready +
                          "' > \"$ready.new\"\n"
                          "mv \"$ready.new\" \"$ready\"\n"
                          "wait\n");
  }
  std::vector<std::string> ArgumentsOf(const std::string& name) const {
    return LinesOf(directory_.path() / (name + ".args"));
  }
  std::string ReadyFlag(const std::string& name) const {
    return "--ready-file " + (Run() / (name + ".ready")).string();
  }
  Result<std::unique_ptr<LocalCluster>> Start() {
    return LocalCluster::Start(options_,
                               [this](const std::string& line) { progress_.push_back(line); });
  }
  std::vector<std::string> Ended() const { return LinesOf(directory_.path() / "ended"); }

  TempDirectory directory_;
  LocalClusterOptions options_;
  std::vector<std::string> progress_;
};

TEST_F(LocalClusterTest, EveryProcessIsToldWhereTheOthersAre) {
  options_.settings.worker.device = "cpu";
  options_.settings.worker.dtype = "fp32";
  options_.settings.worker.threads = 3;
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-cachestore"),
              ElementsAre("--directory " + (Run() / "store").string() +
                          " --endpoint tcp://127.0.0.1:* " + ReadyFlag("store")));
  EXPECT_THAT(ArgumentsOf("promptcache-coordinator"),
              ElementsAre("--model model.gguf --client-endpoint tcp://127.0.0.1:* "
                          "--worker-endpoint tcp://127.0.0.1:* --store-endpoint "
                          "tcp://127.0.0.1:7001 " +
                          ReadyFlag("coordinator")));
  const auto worker = [&](const std::string& name) {
    return "--model model.gguf --name " + name +
           " --device cpu --dtype fp32 --threads 3 --coordinator-endpoint tcp://127.0.0.1:7003 "
           "--store-endpoint tcp://127.0.0.1:7001 " +
           ReadyFlag(name);
  };
  EXPECT_THAT(ArgumentsOf("promptcache-worker"),
              ::testing::UnorderedElementsAre(worker("worker-1"), worker("worker-2")));
}

TEST_F(LocalClusterTest, TellsItsEndpointsAndProcesses) {
  auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_EQ((*cluster)->endpoints().client, "tcp://127.0.0.1:7002");
  std::ifstream file(Run() / "cluster.json");
  EXPECT_EQ(nlohmann::json::parse(file, nullptr, false),
            (nlohmann::json{{"client_endpoint", "tcp://127.0.0.1:7002"},
                            {"worker_endpoint", "tcp://127.0.0.1:7003"},
                            {"store_endpoint", "tcp://127.0.0.1:7001"}}));
  std::vector<std::string> names;
  for (const SupervisedProcess& process : (*cluster)->processes()) {
    names.push_back(process.name);
    EXPECT_GT(process.pid, 0);
  }
  EXPECT_THAT(names, ElementsAre("store", "coordinator", "worker-1", "worker-2"));
  EXPECT_THAT(progress_, ElementsAre("starting the cachestore", "starting the coordinator",
                                     "starting worker-1 on cpu", "starting worker-2 on cpu"));
}

TEST_F(LocalClusterTest, StopsWorkersThenTheCoordinatorThenTheStore) {
  auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  (*cluster)->Stop();
  EXPECT_THAT(Ended(), ElementsAre("promptcache-worker", "promptcache-worker",
                                   "promptcache-coordinator", "promptcache-cachestore"));
  EXPECT_FALSE(std::filesystem::exists(Run() / "cluster.json"));
  (*cluster)->Stop();
}

TEST_F(LocalClusterTest, ARestartedCoordinatorListensWhereItDidBefore) {
  auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  ASSERT_EQ(::kill((*cluster)->processes()[1].pid, SIGTERM), 0);
  EXPECT_TRUE(Eventually([&] {
    (*cluster)->Tick();
    return ArgumentsOf("promptcache-coordinator").size() == 2;
  }));
  EXPECT_EQ((*cluster)->processes()[1].restarts, 1u);
  EXPECT_THAT(ArgumentsOf("promptcache-coordinator").back(),
              HasSubstr("--client-endpoint tcp://127.0.0.1:7002 --worker-endpoint "
                        "tcp://127.0.0.1:7003"));
  EXPECT_THAT(progress_, Contains("coordinator ended with 0"));
}

TEST_F(LocalClusterTest, EveryProcessGetsTheSettingsFileAndAStoreKeepsItsDirectory) {
  options_.config_file = "cluster.toml";
  options_.settings.store.directory = "/somewhere/store";
  options_.settings.worker.model = "other.gguf";
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  for (const char* name :
       {"promptcache-cachestore", "promptcache-coordinator", "promptcache-worker"}) {
    EXPECT_THAT(ArgumentsOf(name).front(), ::testing::StartsWith("--config cluster.toml ")) << name;
  }
  EXPECT_THAT(ArgumentsOf("promptcache-cachestore").front(),
              HasSubstr("--directory /somewhere/store "));
  EXPECT_THAT(ArgumentsOf("promptcache-worker").front(), HasSubstr("--model other.gguf "));
}

TEST_F(LocalClusterTest, AProcessThatEndsAtTheStartIsNamedWithItsLastWords) {
  WriteScript("promptcache-coordinator", "echo cannot read model.gguf >&2\nexit 4\n");
  const auto cluster = Start();
  ASSERT_FALSE(cluster.ok());
  EXPECT_EQ(cluster.status().code(), Code::kNotFound);
  EXPECT_THAT(cluster.status().message(),
              AllOf(HasSubstr("coordinator ended with 4"), HasSubstr("coordinator.log"),
                    HasSubstr("\n  cannot read model.gguf")));
  EXPECT_THAT(Ended(), ElementsAre("promptcache-cachestore"));
}

TEST_F(LocalClusterTest, WhatAnEarlierStartLoggedIsNotRepeated) {
  WriteScript("promptcache-cachestore", "echo the disk is full\nexit 9\n");
  EXPECT_THAT(Start().status().message(), HasSubstr("the disk is full"));
  WriteScript("promptcache-cachestore", "echo the port is taken\nexit 7\n");
  const std::string again = Start().status().message();
  EXPECT_THAT(again, AllOf(HasSubstr("says:\n  the port is taken"), Not(HasSubstr("disk"))));
}

TEST_F(LocalClusterTest, AnEndThatTellsNoCodeIsUnavailable) {
  for (const char* script : {"exit 0\n", "exit 2\n", "kill -9 $$\n"}) {
    WriteScript("promptcache-cachestore", script);
    EXPECT_EQ(Start().status().code(), Code::kUnavailable) << script;
  }
}

TEST_F(LocalClusterTest, AStartThatIsStoppedEndsWhatItStarted) {
  WriteScript("promptcache-coordinator", "exec sleep 1000\n");
  options_.stop_requested = [this] { return std::filesystem::exists(Run() / "coordinator.log"); };
  const auto cluster = Start();
  EXPECT_EQ(cluster.status().code(), Code::kCancelled);
  EXPECT_THAT(cluster.status().message(), HasSubstr("while coordinator was starting"));
  EXPECT_THAT(Ended(), ElementsAre("promptcache-cachestore"));
}

TEST_F(LocalClusterTest, AStartThatTakesItsTimeSaysForWhom) {
  WriteScript("promptcache-worker", "exec sleep 1000\n");
  options_.say_waiting_after = std::chrono::milliseconds(0);
  const std::string both =
      "waiting for worker-1 and 1 more (see " + (Run() / "worker-1.log").string() + ")";
  const std::string one = "waiting for worker-2 (see " + (Run() / "worker-2.log").string() + ")";
  options_.stop_requested = [&] {
    if (progress_.back() == both) std::ofstream(Run() / "worker-1.ready") << "{}";
    return progress_.back() == one;
  };
  EXPECT_EQ(Start().status().code(), Code::kCancelled);
  EXPECT_EQ(std::count(progress_.begin(), progress_.end(), both), 1);
  EXPECT_EQ(std::count(progress_.begin(), progress_.end(), one), 1);
}

TEST_F(LocalClusterTest, AReadyFileWithoutAnEndpointIsAnError) {
  for (const char* ready : {"{}", R"({"endpoint": 7})", R"({"endpoint": null})"}) {
    WriteProgram("promptcache-cachestore", ready);
    const auto cluster = Start();
    EXPECT_EQ(cluster.status().code(), Code::kInternal);
    EXPECT_THAT(cluster.status().message(), HasSubstr("store.ready has no text 'endpoint'"));
  }
}

TEST_F(LocalClusterTest, RefusesToStartWithoutWhatItNeeds) {
  std::filesystem::remove(Bin() / "promptcache-worker");
  const auto no_program = Start();
  EXPECT_EQ(no_program.status().code(), Code::kNotFound);
  EXPECT_THAT(no_program.status().message(), HasSubstr("promptcache-worker"));

  options_.run_directory = (Bin() / "promptcache-coordinator" / "run").string();
  EXPECT_EQ(Start().status().code(), Code::kUnavailable);

  options_.settings.coordinator.model = "";
  const auto no_model = Start();
  EXPECT_EQ(no_model.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(no_model.status().message(), HasSubstr("--model"));
}

TEST_F(LocalClusterTest, AWorkerForEachGpuOfTheList) {
  options_.settings.cluster.gpus = "0,3";
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-worker"),
              ::testing::UnorderedElementsAre(HasSubstr("--name worker-gpu0 --device cuda:0 "),
                                              HasSubstr("--name worker-gpu3 --device cuda:3 ")));
}

TEST_F(LocalClusterTest, AllGpusAreThoseOfTheMachineAndNoneIsAnErrorBeforeAnythingStarts) {
  options_.settings.cluster.gpus = "all";
  options_.device_directory = (directory_.path() / "dev").string();
  const auto none = Start();
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  EXPECT_THAT(ArgumentsOf("promptcache-cachestore"), ElementsAre());
  std::filesystem::create_directories(directory_.path() / "dev" / "nvidia1");
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-worker"),
              ElementsAre(HasSubstr("--name worker-gpu1 --device cuda:1 ")));
}

TEST_F(LocalClusterTest, TheMachineOfCoordinatorAndStoreHasNoWorkers) {
  options_.parts = {ClusterPart::kCoordinator, ClusterPart::kStore};
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_EQ((*cluster)->processes().size(), 2u);
  EXPECT_THAT(ArgumentsOf("promptcache-worker"), ElementsAre());
  EXPECT_EQ((*cluster)->endpoints().store, "tcp://127.0.0.1:7001");
}

TEST_F(LocalClusterTest, WorkersOfAnotherMachineGoWhereTheSettingsSayUnderItsName) {
  options_.parts = {ClusterPart::kWorkers};
  options_.settings.worker.model = "other.gguf";
  options_.settings.worker.coordinator_endpoints = {"tcp://10.0.0.1:7421", "tcp://10.0.0.2:7421"};
  options_.settings.worker.store_endpoint = "tcp://10.0.0.1:7422";
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-cachestore"), ElementsAre());
  EXPECT_THAT(ArgumentsOf("promptcache-coordinator"), ElementsAre());
  EXPECT_THAT(ArgumentsOf("promptcache-worker"),
              Contains(AllOf(HasSubstr("-worker-1 --device cpu"),
                             HasSubstr("--coordinator-endpoint tcp://10.0.0.1:7421 "
                                       "--coordinator-endpoint tcp://10.0.0.2:7421 "
                                       "--store-endpoint tcp://10.0.0.1:7422 "))));
  EXPECT_EQ((*cluster)->endpoints().client, "");
}

TEST_F(LocalClusterTest, ACoordinatorUsesTheStoreOfAnotherMachine) {
  options_.parts = {ClusterPart::kCoordinator};
  options_.settings.coordinator.store_endpoint = "tcp://10.0.0.1:7422";
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-coordinator"),
              ElementsAre(HasSubstr("--store-endpoint tcp://10.0.0.1:7422 ")));
}

TEST_F(LocalClusterTest, WorkersHereServeAllCoordinatorsWhenThereAreSeveral) {
  options_.settings.worker.coordinator_endpoints = {"tcp://10.0.0.1:7421", "tcp://10.0.0.2:7421"};
  const auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-worker").front(),
              HasSubstr("--coordinator-endpoint tcp://10.0.0.1:7421 --coordinator-endpoint "
                        "tcp://10.0.0.2:7421 --store-endpoint tcp://127.0.0.1:7001 "));
}

TEST_F(LocalClusterTest, EachWorkerHasAPortForItsMetrics) {
  options_.settings.worker.metrics_endpoint = "127.0.0.1:9430";
  auto cluster = Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  EXPECT_THAT(ArgumentsOf("promptcache-worker"),
              ::testing::UnorderedElementsAre(HasSubstr("--metrics-endpoint 127.0.0.1:9430 "),
                                              HasSubstr("--metrics-endpoint 127.0.0.1:9431 ")));
}

TEST_F(LocalClusterTest, SecondClusterOnARunDirectoryLeavesTheFirstOnesFilesAlone) {
  const auto first = Start();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const auto second = Start();
  EXPECT_EQ(second.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by another cluster"));
  EXPECT_TRUE(std::filesystem::exists(Run() / "cluster.json"));
  EXPECT_TRUE(std::filesystem::exists(Run() / "store.ready"));
}

}  // namespace
}  // namespace promptcache
