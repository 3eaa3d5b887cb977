// /metrics, /livez and /readyz of real processes.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cachestore/service/remote_store.h"
#include "cluster/launch/process_runner.h"
#include "cluster/transport/connection.h"
#include "coordinator/served_model.h"
#include "tests/fakes/http_client.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class MonitorPrograms : public ::testing::Test {
 protected:
  ~MonitorPrograms() override {
    if (pid_ == 0) return;
    runner_->Terminate(pid_);
    std::optional<ProcessExit> exit;
    EXPECT_TRUE(Eventually([&] { return (exit = runner_->PollExit()).has_value(); }));
    EXPECT_TRUE(exit && exit->code == 0) << ReadFile(File("log"));
  }

  std::string File(const std::string& name) const { return files_.Sub(name); }
  // What it wrote when it was ready.
  void Start(const std::string& program, std::vector<std::string> words) {
    words.insert(words.begin(), (ProgramDirectory() / program).string());
    words.insert(words.end(), {"--metrics-endpoint", "127.0.0.1:0", "--ready-file", File("ready")});
    const auto pid = runner_->Start({.argv = words, .log_file = File("log")});
    ASSERT_TRUE(pid.ok()) << pid.status().ToString();
    pid_ = *pid;
    ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(File("ready")); }))
        << ReadFile(File("log"));
    ready_ = json::parse(ReadFile(File("ready")));
  }
  void StartStore(const std::string& settings = "") {
    std::ofstream(File("store.toml")) << settings;
    Start("promptcache-cachestore", {"--config", File("store.toml"), "--directory", File("data"),
                                     "--endpoint", "tcp://127.0.0.1:*"});
  }
  void StartCoordinator() {
    std::filesystem::create_directories(File("model"));
    WriteTinyModel("llama_mha", File("model"));
    Start("promptcache-coordinator",
          {"--model", File("model"), "--client-endpoint", "tcp://127.0.0.1:*", "--worker-endpoint",
           "tcp://127.0.0.1:*"});
  }
  HttpResult Get(const std::string& path) const { return HttpGet(Monitor(), path); }
  std::string Monitor() const { return ready_.at("metrics_endpoint"); }
  double Value(const std::string& name) const {
    const auto values = ValuesOf(Get("/metrics").body);
    const auto found = values.find("promptcache_" + name);
    return found == values.end() ? -1 : found->second;
  }

  const TempDir files_;
  const std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
  pid_t pid_ = 0;
  json ready_;
};

TEST_F(MonitorPrograms, ACachestoreCountsWhatIsAskedOfIt) {
  StartStore();
  EXPECT_EQ(Get("/livez").status, 200);
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(Value("store_gets_total"), 0);
  EXPECT_EQ(Value("store_read_only"), 0);
  ReactorThread reactor;
  const auto store =
      RemoteStore::Create(reactor.transport(), {.endpoint = ready_.at("endpoint"), .name = "test"});
  EXPECT_EQ(store->Open(UnitKey{}).status().code(), Code::kNotFound);
  EXPECT_EQ(Value("store_gets_total"), 1);
  EXPECT_EQ(Value("store_hits_total"), 0);
  EXPECT_GT(Value("transport_received_messages_total"), 0);
  EXPECT_GT(Value("store_free_bytes"), 0);
}

TEST_F(MonitorPrograms, ACachestoreCountsWhomItRefuses) {
  StartStore();
  EXPECT_EQ(Value("store_link_faults_total{fault=\"refused\"}"), 0);
  EXPECT_FALSE(Client::Connect({.endpoints = {ready_.at("endpoint")}}).ok());
  EXPECT_GE(Value("store_link_faults_total{fault=\"refused\"}"), 1);
  EXPECT_EQ(Value("store_link_faults_total{fault=\"forbidden\"}"), 0);
}

TEST_F(MonitorPrograms, ACachestoreThatOnlyReadsIsNotReadyAndSaysWhy) {
  StartStore("[store]\nmin_free_bytes = 1099511627776\n");
  EXPECT_TRUE(Eventually([&] { return Get("/readyz").status == 503; }));
  EXPECT_THAT(Get("/readyz").body, HasSubstr("free"));
  EXPECT_EQ(Value("store_read_only"), 1);
  EXPECT_EQ(Get("/livez").status, 200);
}

TEST_F(MonitorPrograms, ACoordinatorIsReadyWithAWorker) {
  StartCoordinator();
  EXPECT_EQ(Get("/livez").status, 200);
  const HttpResult unready = Get("/readyz");
  EXPECT_EQ(unready.status, 503);
  EXPECT_THAT(unready.body, HasSubstr("no worker takes requests: 0 are connected"));

  const auto model = LoadServedModel(File("model"), "auto");
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  ReactorThread reactor;
  std::unique_ptr<Connection> worker;
  reactor.Call([&] {
    worker = std::make_unique<Connection>(
        reactor.transport(),
        ConnectionOptions{.connect = {.endpoint = ready_.at("worker_endpoint")},
                          .hello = {.role = PeerRole::kWorker, .name = "w1", .epoch = 1}},
        ConnectionEvents{.on_up = [&](const HelloAck&) {
          const WorkerReady says{.model = model->name,
                                 .device = "cpu",
                                 .identity = {.tokenizer = model->tokenizer->digest().ToHex()},
                                 .context_length = model->context_length,
                                 .slots = 4,
                                 .unit_limit_bytes = 1 << 20,
                                 .kv_bytes_per_token = 1};
          EXPECT_TRUE(worker->Send({.body = says}).ok());
          EXPECT_TRUE(worker->Send({.body = Residency{.seq = 1, .snapshot = true}}).ok());
        }});
    return worker->Start().ok();
  });
  EXPECT_TRUE(Eventually([&] { return Get("/readyz").status == 200; })) << Get("/readyz").body;
  EXPECT_EQ(Value("workers{state=\"open\"}"), 1);
  EXPECT_EQ(Value("routed_backlog_seconds{worker=\"w1\"}"), 0);
  reactor.Call([&] {
    worker.reset();
    return 0;
  });
}

TEST_F(MonitorPrograms, ACoordinatorCountsRefusedRequestsAndGarbage) {
  StartCoordinator();
  const std::string endpoint = ready_.at("client_endpoint");
  auto client = Client::Connect({.endpoints = {endpoint}});
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  EXPECT_EQ((*client)->Submit({.prompt = "<prompt schema=\"x\">a</prompt>"}).status.code(),
            Code::kNotFound);
  EXPECT_EQ(Value("requests_ended_total{code=\"not_found\"}"), 1);
  EXPECT_EQ(Value("client_links"), 1);
  ThrowBytesAt(endpoint, "garbage");
  EXPECT_TRUE(Eventually([&] { return Value("transport_refused_total{why=\"handshake\"}") >= 1; }));
  ThrowBytesAt("tcp://" + Monitor(), std::string("\0\1\2 garbage\r\n\r\n", 14));
  EXPECT_EQ(Get("/livez").status, 200);
}

TEST_F(MonitorPrograms, AnEndpointBeyondLoopbackNeedsLeave) {
  const ProgramResult refused = RunProgram(
      "promptcache-cachestore", {"--directory", File("data"), "--endpoint", "tcp://127.0.0.1:*",
                                 "--metrics-endpoint", "0.0.0.0:0"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.errors, HasSubstr("security.allow_plaintext"));
}

}  // namespace
}  // namespace promptcache::testing
