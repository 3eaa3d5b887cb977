// Batches through real processes: a cachestore, a coordinator that is killed and started again, and
// the command line. The worker is played by the test: nothing is computed.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "cluster/launch/process_runner.h"
#include "cluster/transport/connection.h"
#include "coordinator/served_model.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr int kItems = 40;

// Answers at once until it has answered `answers` requests; the others stay as they are.
class PlayedWorker {
 public:
  PlayedWorker(const std::string& endpoint, const ServedModel& model, int answers)
      : left_(answers) {
    reactor_.Call([&] {
      ConnectionOptions options;
      options.connect = {.endpoint = endpoint, .max_message_bytes = 64 << 20};
      options.hello = {.role = PeerRole::kWorker, .name = "w1", .epoch = 1};
      const WorkerReady ready{
          .model = model.name,
          .device = "cpu",
          .identity = {.weights = "w", .tokenizer = model.tokenizer->digest().ToHex()},
          .context_length = model.context_length,
          .slots = 4};
      connection_ = std::make_unique<Connection>(
          reactor_.transport(), options,
          ConnectionEvents{
              .on_up =
                  [this, ready](const HelloAck&) {
                    Say({}, 0, ready);
                    Say({}, 0, Residency{.seq = 1, .snapshot = true});
                  },
              .on_message = [this](const Envelope& envelope, const Frame&) { Handle(envelope); }});
      return connection_->Start().ok();
    });
  }
  ~PlayedWorker() {
    reactor_.Call([this] {
      connection_.reset();
      return 0;
    });
  }
  int answered() const { return answered_; }

 private:
  void Say(const RequestId& id, uint32_t attempt, Message body) {
    (void)connection_->Send({.request_id = id, .attempt = attempt, .body = std::move(body)});
  }
  void Handle(const Envelope& envelope) {
    const RequestId& id = envelope.request_id;
    if (std::holds_alternative<RequestQuery>(envelope.body)) {
      return Say(id, envelope.attempt, RequestState{.phase = RequestPhase::kUnknown});
    }
    const auto* run = std::get_if<Run>(&envelope.body);
    if (run == nullptr || left_-- <= 0) return;
    ++answered_;
    Say(id, envelope.attempt, Partial{.tokens = {7}, .text = "yes"});
    Say(id, envelope.attempt, Final{.usage = {.worker = "w1", .generated_tokens = 1}});
  }

  std::atomic<int> left_;
  std::atomic<int> answered_ = 0;
  std::unique_ptr<Connection> connection_;
  ReactorThread reactor_;
};

class BatchPrograms : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(File("model"));
    WriteTinyModel("llama3", File("model"));
    auto model = LoadServedModel(File("model"), "auto");
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    model_ = *std::move(model);
    std::ofstream(File("config.toml")) << "[coordinator]\nlease_ms = 600\nheartbeat_ms = 100\n";
    store_ = Start("store", {"promptcache-cachestore", "--directory", File("units"), "--endpoint",
                             "tcp://127.0.0.1:*"});
  }

  struct Started {
    pid_t pid = 0;
    json ready;
  };
  Started Start(const std::string& name, std::vector<std::string> argv) {
    const std::string ready = File(name + ".ready");
    fs::remove(ready);
    argv[0] = (ProgramDirectory() / argv[0]).string();
    argv.insert(argv.end(), {"--config", File("config.toml"), "--ready-file", ready});
    const auto pid = runner_->Start({.argv = argv, .log_file = File(name + ".log")});
    EXPECT_TRUE(pid.ok()) << pid.status().ToString();
    WaitFor(name, [&] { return fs::exists(ready); });
    return {pid.ok() ? *pid : 0, json::parse(ReadFile(ready))};
  }
  void StartCoordinator(int answers) {
    coordinator_ =
        Start("coordinator", {"promptcache-coordinator", "--model", File("model"),
                              "--client-endpoint", "tcp://127.0.0.1:*", "--worker-endpoint",
                              "tcp://127.0.0.1:*", "--store-endpoint", store_.ready["endpoint"]});
    worker_.emplace(coordinator_.ready["worker_endpoint"].get<std::string>(), model_, answers);
  }
  void KillCoordinator() {
    runner_->Kill(coordinator_.pid);
    WaitFor("the coordinator's end", [&] { return runner_->PollExit().has_value(); });
    worker_.reset();
  }
  void WaitFor(const std::string& what, const std::function<bool()>& done) {
    const SteadyTime give_up = SystemClock().Now() + std::chrono::minutes(1);
    while (!done()) {
      ASSERT_LT(SystemClock().Now(), give_up) << what << "\n" << ReadFile(File("coordinator.log"));
      std::this_thread::yield();
    }
  }

  ProgramResult Cli(std::vector<std::string> words) const {
    words.insert(words.end(), {"--connect", coordinator_.ready["client_endpoint"]});
    return RunProgram("promptcache", words);
  }
  int Ended(const std::string& batch) const {
    const ProgramResult shown = Cli({"batch", "show", batch, "--json"});
    EXPECT_EQ(shown.exit_code, 0) << shown.errors;
    return json::parse(shown.output)["ended"];
  }
  std::string File(const std::string& name) const { return files_.Sub(name); }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name)) << text;
  }
  void WriteBatch() const {
    std::string lines;
    for (int i = 0; i < kItems; ++i) {
      const std::string prompt =
          "<prompt schema=\"desk\"><a/>Question " + std::to_string(i) + "?</prompt>";
      lines += json{{"name", "q" + std::to_string(i)}, {"prompt", prompt}}.dump() + "\n";
    }
    Write("batch.jsonl", lines);
    Write("desk.xml", "<schema name=\"desk\"><module name=\"a\">Text.</module></schema>");
  }

  const TempDir files_;
  const std::unique_ptr<ProcessRunner> runner_ = MakeProcessRunner();
  ServedModel model_;
  Started store_;
  Started coordinator_;
  std::optional<PlayedWorker> worker_;
};

TEST_F(BatchPrograms, KilledCoordinatorComesBackAndEachItemHasOneResult) {
  WriteBatch();
  StartCoordinator(kItems / 2);
  const ProgramResult added = Cli({"submit", "--schema", File("desk.xml"), "--batch",
                                   File("batch.jsonl"), "--max-new-tokens", "4"});
  ASSERT_EQ(added.exit_code, 0) << added.errors;
  const std::string id = added.output.substr(0, 32);
  WaitFor("half of the results", [&] { return Ended(id) == kItems / 2; });
  KillCoordinator();

  StartCoordinator(kItems);
  const ProgramResult results = Cli({"batch", "results", id, "--follow"});
  ASSERT_EQ(results.exit_code, 0) << results.errors;
  std::istringstream lines(results.output);
  std::string line;
  for (int i = 0; i < kItems; ++i) {
    ASSERT_TRUE(std::getline(lines, line)) << i;
    const json result = json::parse(line);
    EXPECT_EQ(result["item"], i);
    EXPECT_EQ(result["name"], "q" + std::to_string(i));
    EXPECT_EQ(result["status"], "ok") << result["message"];
    EXPECT_EQ(result["text"], "yes");
  }
  EXPECT_FALSE(std::getline(lines, line)) << line;
  EXPECT_EQ(worker_->answered(), kItems / 2) << "what had a result does not run again";
  EXPECT_EQ(Ended(id), kItems);
  EXPECT_THAT(Cli({"batch", "ls"}).output, HasSubstr(id));
  EXPECT_EQ(Cli({"batch", "results", id, "-o", File("out.jsonl")}).exit_code, 0);
  EXPECT_EQ(ReadFile(File("out.jsonl")), results.output);
  EXPECT_EQ(Cli({"batch", "rm", id}).exit_code, 0);
  EXPECT_EQ(Cli({"batch", "show", id}).exit_code, 4);
}

TEST_F(BatchPrograms, MistakesInTheFileAreNamedByLineAndNothingIsAdded) {
  StartCoordinator(0);
  Write("bad.jsonl", "{\"prompt\": \"<prompt schema='desk'>a</prompt>\"}\n\n{\"promt\": \"x\"}\n");
  const ProgramResult bad = Cli({"submit", "--batch", File("bad.jsonl")});
  EXPECT_EQ(bad.exit_code, 3);
  EXPECT_THAT(bad.errors, HasSubstr("bad.jsonl:3: unknown field \"promt\""));
  EXPECT_EQ(Cli({"batch", "ls", "--json"}).output, "[]\n");
  EXPECT_EQ(Cli({"batch", "show", "nonsense"}).exit_code, 3);
}

}  // namespace
}  // namespace promptcache::testing
