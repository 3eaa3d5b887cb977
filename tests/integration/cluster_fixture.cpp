#include "tests/integration/cluster_fixture.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/clock.h"
#include "common/config.h"
#include "common/ids.h"
#include "tests/fakes/test_env.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{60};

std::string Quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

fs::path NewDirectory() {
  const fs::path path =
      fs::temp_directory_path() / ("promptcache-test-" + RequestId::Random().ToHex());
  fs::create_directories(path);
  return path;
}

}  // namespace

void ClusterTest::StartCluster(int workers) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  directory_ = NewDirectory();
  LocalClusterOptions options{.bin_directory = ProgramDirectory().string(),
                              .run_directory = directory_.string(),
                              .settings = DefaultSettings()};
  Settings& settings = options.settings;
  settings.coordinator.model = settings.worker.model = model->string();
  settings.coordinator.client_endpoint = "tcp://127.0.0.1:*";
  settings.coordinator.worker_endpoint = "tcp://127.0.0.1:*";
  settings.store.endpoint = "tcp://127.0.0.1:*";
  settings.worker.dtype = "fp32";
  settings.cluster.workers = workers;
  auto cluster = LocalCluster::Start(options, [](const std::string&) {});
  ASSERT_TRUE(cluster.ok()) << cluster.status().ToString();
  cluster_ = std::move(*cluster);
  auto client = Client::Connect({.endpoints = {cluster_->endpoints().client}, .name = "test"});
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  client_ = std::move(*client);
}

void ClusterTest::TearDown() {
  client_.reset();
  cluster_.reset();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void ClusterTest::KillProcess(const std::string& name) {
  for (const SupervisedProcess& process : cluster_->processes()) {
    if (process.name == name && process.pid > 0) {
      ASSERT_EQ(::kill(process.pid, SIGKILL), 0);
      return;
    }
  }
  FAIL() << "no process " << name;
}

void ClusterTest::TickUntil(const std::string& what, const std::function<bool()>& done) {
  const SteadyTime give_up = SystemClock().Now() + kPatience;
  while (!done()) {
    ASSERT_LT(SystemClock().Now(), give_up) << "waited a minute for " << what;
    cluster_->Tick();
  }
}

int ClusterTest::LiveWorkers() {
  const auto status = client_->GetStatus();
  if (!status.ok()) return -1;
  int live = 0;
  for (const WorkerStatus& worker : status->workers) live += worker.live ? 1 : 0;
  return live;
}

Answer ClusterTest::Ask(const std::string& prompt, uint32_t tokens, ReuseMode reuse) {
  struct Submit request {
    .prompt = prompt, .reuse = reuse
  };
  request.options.max_new_tokens = tokens;
  return client_->Submit(request, {.deadline = kPatience});
}

void ClusterTest::RegisterExample(const std::string& file) {
  const auto added =
      client_->AddSchema({.file = file, .document = ReadFile(ExampleDirectory() / file)});
  ASSERT_TRUE(added.ok()) << added.status().ToString();
}

fs::path ProgramDirectory() { return PROMPTCACHE_BIN_DIR; }
fs::path ExampleDirectory() { return fs::path(PROMPTCACHE_SOURCE_DIR) / "schemas/pml/examples"; }

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

ProgramResult RunProgram(const std::string& program, const std::vector<std::string>& arguments) {
  const fs::path directory = NewDirectory();
  std::string command = Quoted((ProgramDirectory() / program).string());
  for (const std::string& argument : arguments) command += " " + Quoted(argument);
  command += " >" + Quoted((directory / "out").string()) + " 2>" +
             Quoted((directory / "err").string()) + " </dev/null";
  const int status = std::system(command.c_str());
  ProgramResult result{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128,
                       .output = ReadFile(directory / "out"),
                       .errors = ReadFile(directory / "err")};
  fs::remove_all(directory);
  return result;
}

}  // namespace promptcache::testing
