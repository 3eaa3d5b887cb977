#include "tools/cli/config_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <regex>
#include <sstream>

#include "common/curve_key.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Refused(const std::string& toml) {
  const auto settings = ParseSettings(toml, "test.toml");
  if (!settings.ok()) return {settings.status().message()};
  return RefusedSettings(*settings);
}

struct Wrong {
  const char* name;     // of the test
  const char* toml;     // a table and a line
  const char* begin;    // of what is said
  const char* allowed;  // said behind it
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.toml; }

const Wrong kWrong[] = {
    {"Policy", "[coordinator]\npolicy = 'fast'",
     "coordinator.policy = \"fast\": ", "there are cost, rendezvous, bounded_load, shortest_queue"},
    {"Repair", "[coordinator]\nrepair = 'half'",
     "coordinator.repair = \"half\": ", "is not none, linked or full"},
    {"ChatTemplate", "[coordinator]\nchat_template = 'nix'",
     "coordinator.chat_template = \"nix\": ", "is not one of auto, "},
    {"ClientEndpoint", "[coordinator]\nclient_endpoint = 'foo'",
     "coordinator.client_endpoint = \"foo\": ", "accepted: tcp://127.0.0.1:PORT"},
    {"ClientEndpointIsNoHost",
     "[coordinator]\nmodel = 'm.gguf'\nclient_endpoint = 'tcp://here:1'\n"
     "[security]\nallow_plaintext = true",
     "coordinator.client_endpoint = \"tcp://here:1\": ", "is not an IPv4 address"},
    {"WorkerEndpoint", "[coordinator]\nworker_endpoint = 'tcp://0.0.0.0:1'",
     "coordinator.worker_endpoint = \"tcp://0.0.0.0:1\": ", "only loopback addresses are allowed"},
    {"StoreEndpointOfCoordinator", "[coordinator]\nstore_endpoint = 'foo'",
     "coordinator.store_endpoint = \"foo\": ", "accepted: tcp://127.0.0.1:PORT"},
    {"StoreEndpointLacksKey",
     "[coordinator]\nstore_endpoint = 'tcp://store:1'\n[security]\nown_key = 'k'",
     "coordinator.store_endpoint = \"tcp://store:1\": ", "write it behind, as tcp://store:1#KEY"},
    {"MetricsEndpointOfCoordinator", "[coordinator]\nmetrics_endpoint = '9420'",
     "coordinator.metrics_endpoint = \"9420\": ", "is not ADDRESS:PORT"},
    {"Endpoint", "[store]\nendpoint = 'tcp://127.0.0.1'",
     "store.endpoint = \"tcp://127.0.0.1\": ", "the port is missing"},
    {"MetricsEndpointOfStore", "[store]\nmetrics_endpoint = '0.0.0.0:1'",
     "store.metrics_endpoint = \"0.0.0.0:1\": ", "allow that with security.allow_plaintext"},
    {"Device", "[worker]\ndevice = 'gpu'", "worker.device = \"gpu\": ", "expected cpu or cuda:N"},
    {"DeviceNumber", "[worker]\ndevice = 'cuda:128'",
     "worker.device = \"cuda:128\": ", "expected cpu or cuda:N"},
    {"Dtype", "[worker]\ndtype = 'fp99'", "worker.dtype = \"fp99\": ", "is not auto, fp32 or bf16"},
    {"StoreCompression", "[worker]\nstore_compression = 'gzip'",
     "worker.store_compression = \"gzip\": ", "is not none, zstd, int8 or int8-zstd"},
    {"CoordinatorEndpoint", "[worker]\ncoordinator_endpoints = ['tcp://127.0.0.1:1', 'bar']",
     "worker.coordinator_endpoints = \"bar\": ", "accepted: tcp://127.0.0.1:PORT"},
    {"NoCoordinator", "[worker]\ncoordinator_endpoints = []",
     "worker.coordinator_endpoints = []: ", "name one coordinator or more"},
    {"CoordinatorTwice",
     "[worker]\ncoordinator_endpoints = ['tcp://127.0.0.1:1', 'tcp://127.0.0.1:1']",
     "worker.coordinator_endpoints = [\"tcp://127.0.0.1:1\", \"tcp://127.0.0.1:1\"]: ", "twice"},
    {"StoreEndpointOfWorker", "[worker]\nstore_endpoint = 'foo'",
     "worker.store_endpoint = \"foo\": ", "accepted: tcp://127.0.0.1:PORT"},
    {"MetricsEndpointOfWorker", "[worker]\nmetrics_endpoint = 'here:1'",
     "worker.metrics_endpoint = \"here:1\": ", "is not ADDRESS:PORT"},
    {"Gpus", "[cluster]\ngpus = 'x'", "cluster.gpus = \"x\": ", "write \"all\", or the numbers"},
    {"Keys", "[security]\nkeys = 'keys.toml'",
     "security.keys = \"keys.toml\": ", "no effect without security.own_key"},
    {"TenantLimits", "[security]\ntenant_limits = ['acme foo=3']",
     "security.tenant_limits = [\"acme foo=3\"]: ", "is none of requests=, bytes= and pinned="},
    {"LogLevel", "[log]\nlevel = 'loud'",
     "log.level = \"loud\": ", "is not one of debug, info, warning, error, off"},
    {"LogFormat", "[log]\nformat = 'xml'", "log.format = \"xml\": ", "is not text or json"},
};

class RefusedSettingTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(RefusedSettingTest, IsNamedWithWhatIsAllowed) {
  EXPECT_THAT(Refused(GetParam().toml),
              ElementsAre(AllOf(StartsWith(GetParam().begin), HasSubstr(GetParam().allowed))));
}

INSTANTIATE_TEST_SUITE_P(Settings, RefusedSettingTest, ::testing::ValuesIn(kWrong),
                         [](const auto& test) { return test.param.name; });

TEST(ConfigCheck, ReportsEveryWrongValueWithTheFile) {
  const TempDir directory;
  const std::string file = directory.Sub("cluster.toml");
  std::ofstream(file) << "[coordinator]\npolicy = 'fast'\n[worker]\n"
                         "coordinator_endpoints = ['foo', 'bar']\n[log]\nlevel = 'loud'\n";
  const Status status = CheckSettingsFile(file);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  std::vector<std::string> lines;
  std::istringstream text(status.message());
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  EXPECT_THAT(lines, ElementsAre(StartsWith(file + ": coordinator.policy = \"fast\": "),
                                 StartsWith(file + ": worker.coordinator_endpoints = \"foo\": "),
                                 StartsWith(file + ": worker.coordinator_endpoints = \"bar\": "),
                                 StartsWith(file + ": log.level = \"loud\": ")));
}

TEST(ConfigCheck, TheDefaultsPass) {
  EXPECT_THAT(RefusedSettings(DefaultSettings()), IsEmpty());
  EXPECT_THAT(Refused(RenderSettingsReference()), IsEmpty());
}

TEST(ConfigCheck, WhatOnlyAnotherMachineHasPasses) {
  EXPECT_THAT(Refused("[coordinator]\nchat_template = '/none/mine.toml'\n"
                      "[worker]\ndevice = 'cuda:7'\n[cluster]\ngpus = 'all'\n"
                      "[security]\nown_key = '/none/keys'\nkeys = '/none/keys.toml'"),
              IsEmpty());
}

TEST(ConfigCheck, ACommandLineMayNameTheHostsItConnectsTo) {
  const std::string connects =
      "[coordinator]\nclient_endpoint = 'tcp://here:1'\n[store]\n"
      "endpoint = 'tcp://store:1'\n[security]\nallow_plaintext = true\n";
  EXPECT_THAT(Refused(connects), IsEmpty());
  EXPECT_THAT(Refused(connects + "[worker]\nmodel = 'm.gguf'"),
              ElementsAre(StartsWith("coordinator.client_endpoint"), StartsWith("store.endpoint")));
}

// A recipe as tools/deploy/keys and the job of Slurm fill it in.
std::string Filled(const fs::path& recipe) {
  std::ifstream file(recipe);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  text = std::regex_replace(text, std::regex("ADDRESS"), "127.0.0.1");
  const std::string key = ToZ85(CurveSecretKey::Generate().public_key());
  for (size_t at = 0; (at = text.find("#@", at)) != std::string::npos; ++at) {
    text.replace(at, text.find('@', at + 2) + 1 - at, "#" + key);
  }
  return text;
}

TEST(ConfigCheck, EveryRecipePasses) {
  size_t recipes = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(PROMPTCACHE_SOURCE_DIR) / "tools/deploy")) {
    if (entry.path().extension() != ".toml") continue;
    EXPECT_THAT(Refused(Filled(entry.path())), IsEmpty()) << entry.path();
    ++recipes;
  }
  EXPECT_GE(recipes, 6U);
}

}  // namespace
}  // namespace promptcache::testing
