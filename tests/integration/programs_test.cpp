// The command line, as a person or a script uses it.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fakes/test_env.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string Prompt() { return (ExampleDirectory() / "prompts/support-desk-refund.xml").string(); }
std::string Schema() { return (ExampleDirectory() / "support-desk.xml").string(); }

TEST(Demo, ShowsWhereEveryUnitCameFromAndEqualAnswers) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const ProgramResult demo =
      RunProgram("promptcache", {"demo", "--model", model->string(), "--examples",
                                 ExampleDirectory().string(), "--max-new-tokens", "8", "--json"});
  ASSERT_EQ(demo.exit_code, 0) << demo.errors;
  const json result = json::parse(demo.output);
  EXPECT_EQ(result["failures"], json::array());
  ASSERT_EQ(result["runs"].size(), 5U);
  EXPECT_EQ(result["runs"][1]["tokens"], result["runs"][2]["tokens"]);
  EXPECT_EQ(result["runs"][1]["tokens"], result["runs"][3]["tokens"]);
  EXPECT_EQ(result["runs"][3]["usage"]["computed_tokens"],
            result["runs"][2]["usage"]["computed_tokens"]);
}

class CommandLine : public ClusterTest {
 protected:
  ProgramResult Cli(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--connect", cluster().endpoints().client});
    return RunProgram("promptcache", arguments);
  }
  // What `plan` says offline are the keys under which workers stored the units.
  void ExpectPlannedKeysAreStored() {
    const json plan = CliJson({"plan", "--schema", Schema(), "--prompt", Prompt(), "--model",
                               ModelPath()->string(), "--dtype", "fp32", "--json"});
    const std::string stored =
        CliJson({"store", "ls", "--endpoint", cluster().endpoints().store, "--json"}).dump();
    ASSERT_GE(plan["units"].size(), 8U);
    for (const json& unit : plan["units"]) EXPECT_THAT(stored, HasSubstr(unit["key"]));
  }
  // What has become of a request that ended, and how the cluster is.
  void ExpectOperatorsSee(const std::string& request) {
    const json frame = CliJson({"top", "--once", "--interval", "0.05", "--json"});
    ASSERT_EQ(frame["status"]["workers"].size(), 1U);
    EXPECT_EQ(frame["workers"][0]["name"], "worker-1");
    EXPECT_THAT(Cli({"status"}).output, HasSubstr("worker-1"));
    const json explained = CliJson({"explain", request, "--json"});
    EXPECT_EQ(explained["id"], request);
    EXPECT_EQ(explained["state"], "ok");
    EXPECT_EQ(explained["attempts"][0]["worker"], "worker-1");
    const ProgramResult trace = Cli({"trace", request});
    EXPECT_EQ(trace.exit_code, 0) << trace.errors;
    EXPECT_THAT(trace.output, HasSubstr(request));
    EXPECT_THAT(trace.output, HasSubstr("parse and plan"));
    EXPECT_EQ(Cli({"explain", std::string(32, '7')}).exit_code, 4);
  }
  json CliJson(const std::vector<std::string>& arguments) {
    const ProgramResult result = Cli(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    return json::parse(result.output, nullptr, /*allow_exceptions=*/false);
  }
};

TEST(EngineCommands, MustComeFirst) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run"}, {"model", "logits"}, {"bench", "fidelity"}}) {
    std::vector<std::string> arguments = {"--config", "cluster.toml"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    arguments.insert(arguments.end(), {"--model", "model.gguf", "file"});
    const ProgramResult result = RunProgram("promptcache", arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.errors, HasSubstr("' must come first"));
  }
}

TEST_F(CommandLine, WorksByHand) {
  StartCluster(1);
  if (IsSkipped() || HasFatalFailure()) return;
  const json added = CliJson({"schema", "add", Schema(), "--json"});
  EXPECT_THAT(added.dump(), HasSubstr("support-desk"));
  const json listed = CliJson({"schema", "ls", "--json"});
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0]["name"], "support-desk");
  EXPECT_GE(listed[0]["positions"], 1500);

  const std::vector<std::string> ask = {"submit",           "--prompt", Prompt(),
                                        "--max-new-tokens", "6",        "--json"};
  const json cold = CliJson(ask);
  EXPECT_EQ(cold["status"], "ok");
  EXPECT_EQ(cold["tokens"].size(), 6U);
  EXPECT_GT(cold["usage"]["encoded_tokens"], 1000);
  const json warm = CliJson(ask);
  EXPECT_EQ(warm["tokens"], cold["tokens"]);
  EXPECT_EQ(warm["usage"]["encoded_tokens"], 0);
  EXPECT_GT(warm["usage"]["cache_read_input_tokens"], 1000);

  const json status = CliJson({"status", "--json"});
  ASSERT_EQ(status["workers"].size(), 1U);
  EXPECT_EQ(status["workers"][0]["name"], "worker-1");
  TickUntil("the units to be in the store", [&] {
    const json stored =
        CliJson({"store", "ls", "--endpoint", cluster().endpoints().store, "--json"});
    return stored["totals"]["blobs"] >= 8;
  });

  ExpectPlannedKeysAreStored();
  ExpectOperatorsSee(cold["request_id"]);

  const ProgramResult odd = Cli({"submit", "--prompt", Prompt(), "--temperature", "nan"});
  EXPECT_EQ(odd.exit_code, 3) << odd.errors;
  EXPECT_THAT(odd.errors, HasSubstr("temperature"));
  const ProgramResult never = Cli({"submit", "--prompt", Prompt(), "--deadline", "1e300"});
  EXPECT_EQ(never.exit_code, 2) << never.errors;

  const ProgramResult next =
      RunProgram("promptcache", {"--connect", "ipc:///nonexistent/promptcache", "--connect",
                                 cluster().endpoints().client, "status", "--json"});
  EXPECT_EQ(next.exit_code, 0) << next.errors;

  const ProgramResult unknown = Cli({"schema", "show", "nothing"});
  EXPECT_EQ(unknown.exit_code, 4);
  EXPECT_THAT(unknown.errors, HasSubstr("promptcache: error:"));
  EXPECT_EQ(Cli({"schema", "rm", "support-desk"}).exit_code, 0);
  EXPECT_EQ(Cli(ask).exit_code, 4);
}

TEST_F(CommandLine, RemovedUnitsLeaveTheMemoryOfWorkersToo) {
  StartCluster(1);
  if (IsSkipped() || HasFatalFailure()) return;
  const std::string store = cluster().endpoints().store;
  const std::vector<std::string> ask = {"submit",           "--prompt", Prompt(),
                                        "--max-new-tokens", "2",        "--json"};
  CliJson({"schema", "add", Schema(), "--json"});
  CliJson(ask);
  TickUntil("the units to be in the store, and whose they are", [&] {
    const json stored =
        CliJson({"store", "ls", "--endpoint", store, "--schema", "support-desk", "--json"});
    return stored["totals"]["blobs"] >= 10;
  });
  const json receipt = CliJson(
      {"store", "rm", "--endpoint", store, "--schema", "support-desk", "--prove", "--json"});
  EXPECT_EQ(receipt["removed"].size(), 10U);
  EXPECT_EQ(receipt["still_on_disk"], json::array());
  EXPECT_EQ(receipt["memory"]["scope"], "disk and workers");
  ASSERT_EQ(receipt["memory"]["workers"].size(), 1U);
  EXPECT_EQ(receipt["memory"]["workers"][0]["name"], "worker-1");
  EXPECT_EQ(receipt["memory"]["workers"][0]["dropped"], 10);
  EXPECT_EQ(receipt["memory"]["workers"][0]["held"], json::array());
  EXPECT_GT(CliJson(ask)["usage"]["encoded_tokens"], 1000);
}

TEST(Cli, SaysWhichOptionsItHas) {
  for (const char* command :
       {"up", "run", "schema", "plan", "submit", "store", "status", "config", "demo", "bench"}) {
    const ProgramResult help = RunProgram("promptcache", {command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command << ": " << help.errors;
    EXPECT_GT(help.output.size(), 100U) << command;
  }
  EXPECT_THAT(RunProgram("promptcache", {"--help"}).output, HasSubstr("Exit codes:"));
  const ProgramResult unknown = RunProgram("promptcache", {"frobnicate"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.errors, HasSubstr("unknown command 'frobnicate'"));
}

TEST(Cli, SaysWhatToDoWithoutACluster) {
  const ProgramResult result =
      RunProgram("promptcache", {"--connect", "ipc:///nonexistent/promptcache", "status"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_THAT(result.errors, HasSubstr("promptcache up"));
}

TEST(Cli, AClusterListensAtOneEndpoint) {
  const ProgramResult up =
      RunProgram("promptcache", {"--connect", "ipc://a", "--connect", "ipc://b", "up"});
  EXPECT_EQ(up.exit_code, 3);
  EXPECT_THAT(up.errors, HasSubstr("--connect once"));
}

TEST(Cli, PlansWithoutACluster) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const ProgramResult plan = RunProgram(
      "promptcache",
      {"plan", "--schema", Schema(), "--prompt", Prompt(), "--model", model->string(), "--json"});
  ASSERT_EQ(plan.exit_code, 0) << plan.errors;
  EXPECT_TRUE(json::accept(plan.output)) << plan.output;
}

TEST(Cli, RunAnswersInOneProcess) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const ProgramResult run = RunProgram(
      "promptcache", {"run", "--model", model->string(), "--dtype", "fp32", "--schema", Schema(),
                      "--prompt", Prompt(), "--max-new-tokens", "6", "--quiet"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_GT(run.output.size(), 5U);
}

TEST(Cli, ProbeOfAPackIsAskedWhereItIsImported) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const TempDir files;
  const std::vector<std::string> engine = {"--model", model->string(), "--dtype", "fp32"};
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.end(), engine.begin(), engine.end());
    return RunProgram("promptcache", words);
  };
  const ProgramResult made = run({"probe", "make", "--schema", Schema(), "--prompt", Prompt(),
                                  "--tokens", "6", "--store", files.Sub("from")});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  json probe = json::parse(made.output);
  const auto import = [&](const std::string& to) {
    std::ofstream(files.Sub("probe.json")) << probe;
    EXPECT_EQ(RunProgram("promptcache", {"store", "export", files.Sub("pack"), "--directory",
                                         files.Sub("from"), "--probe", files.Sub("probe.json")})
                  .exit_code,
              0);
    return RunProgram("promptcache",
                      {"store", "import", files.Sub("pack"), "--allow-unsigned", "--directory",
                       files.Sub(to), "--probe", "--model", model->string()});
  };
  const ProgramResult passed = import("to");
  EXPECT_EQ(passed.exit_code, 0) << passed.errors;
  EXPECT_THAT(passed.output, HasSubstr("probe passed: 6 tokens"));
  EXPECT_THAT(passed.output, HasSubstr(", 0 run to encode units"));
  probe["expected"][5] = probe["expected"][5].get<int>() + 1;
  EXPECT_EQ(import("to").exit_code, 1);
  probe["identity"]["weights"] = "11aa";
  EXPECT_EQ(import("to").exit_code, 6);
}

TEST(Cli, BenchReportsEveryCaseAsNumbers) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const ProgramResult bench = RunProgram(
      "promptcache", {"bench", "ttft", "--model", model->string(), "--cached", "64", "--modules",
                      "2", "--new", "8", "--iterations", "1", "--tiny-units", "4", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.errors;
  const json report = json::parse(bench.output);
  for (const std::string name :
       {"full", "cold", "warm", "disk", "disk_cold", "control", "tiny_full", "tiny_warm"}) {
    for (const char* suffix : {"_ms", "_ms_min", "_ms_max"}) {
      EXPECT_GT(report[name + suffix], 0.0) << name << suffix;
    }
  }
  EXPECT_TRUE(report["dtype"].is_string());
  EXPECT_TRUE(report["build_type"].is_string());
}

TEST(Cli, BenchLoadPathReportsEverySizeAndTheWarmStart) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const std::string examples = ExampleDirectory().string();
  const ProgramResult bench =
      RunProgram("promptcache", {"bench", "loadpath", "--model", model->string(), "--tokens",
                                 "16,70", "--iterations", "1", "--schema", examples + "/travel.xml",
                                 "--prompt", examples + "/prompts/travel-ghent.xml", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.errors;
  const json report = json::parse(bench.output);
  ASSERT_EQ(report["sizes"].size(), 2u);
  for (const json& size : report["sizes"]) {
    for (const char* name : {"tokens", "bytes", "load_ms", "encode_ms", "choice_ms", "ratio"}) {
      EXPECT_GT(size[name], 0.0) << name;
    }
  }
  for (const char* name : {"warm_ms", "disk_ms", "bar_ms", "service_bytes_per_s", "bytes"}) {
    EXPECT_GT(report["warm_start"][name], 0.0) << name;
  }
}

TEST(Cli, BenchPmlReportsEveryNumber) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const ProgramResult bench =
      RunProgram("promptcache", {"bench", "pml", "--model", model->string(), "--iterations", "1",
                                 "--largest", "1", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.errors;
  const json report = json::parse(bench.output);
  for (const char* name :
       {"schema_ms", "prompt_us", "text_mb_per_s", "tags_mb_per_s", "layout_65536_ms"}) {
    EXPECT_GT(report[name], 0.0) << name;
  }
}

TEST(Cli, CudaWithoutADeviceIsAClearError) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const ProgramResult run =
      RunProgram("promptcache", {"run", "--model", model->string(), "--device", "cuda:99",
                                 "--schema", Schema(), "--prompt", Prompt()});
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.errors, HasSubstr("cuda:99"));
}

TEST(Services, RefuseToListenBeyondLoopback) {
  const ProgramResult store = RunProgram(
      "promptcache-cachestore",
      {"--endpoint", "tcp://0.0.0.0:0", "--directory", "/nonexistent/promptcache-store"});
  EXPECT_EQ(store.exit_code, 3) << store.errors;
  EXPECT_THAT(store.errors, HasSubstr("loopback"));
}

}  // namespace
}  // namespace promptcache::testing
