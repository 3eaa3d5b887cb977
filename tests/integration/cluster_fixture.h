// A cluster of real processes for tests: a cachestore, a coordinator and workers on loopback, in a
// temporary directory that goes with the fixture.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "cluster/client/client.h"
#include "cluster/launch/local_cluster.h"

namespace promptcache::testing {

class ClusterTest : public ::testing::Test {
 protected:
  // Skips without the model. `workers` are started in fp32, so that answers do not depend on how
  // the work was cut up.
  void StartCluster(int workers);
  void TearDown() override;

  Client& client() { return *client_; }
  LocalCluster& cluster() { return *cluster_; }
  const std::filesystem::path& directory() const { return directory_; }

  // Ends the process of this name the hard way. It is started again by the next Tick of the
  // cluster that finds its time come.
  void KillProcess(const std::string& name);
  // Keeps the cluster alive until `done`; a failure after a minute.
  void TickUntil(const std::string& what, const std::function<bool()>& done);
  int LiveWorkers();

  // Asks for `tokens` greedy tokens.
  Answer Ask(const std::string& prompt, uint32_t tokens, ReuseMode reuse = ReuseMode::kReuse);
  void RegisterExample(const std::string& file);

 private:
  std::filesystem::path directory_;
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<Client> client_;
};

// Where the programs under test lie.
std::filesystem::path ProgramDirectory();
std::filesystem::path ExampleDirectory();
std::string ReadFile(const std::filesystem::path& path);

struct ProgramResult {
  int exit_code = -1;
  std::string output;  // standard output
  std::string errors;  // standard error
};
// Runs a program of ProgramDirectory() to its end.
ProgramResult RunProgram(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace promptcache::testing
