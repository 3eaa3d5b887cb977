// `promptcache simulate`, as a person or a script uses it.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/integration/cluster_fixture.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json Simulated(std::vector<std::string> flags) {
  flags.insert(flags.begin(), "simulate");
  flags.emplace_back("--json");
  const ProgramResult result = RunProgram("promptcache", flags);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  return json::parse(result.output, nullptr, /*allow_exceptions=*/false);
}

std::vector<std::string> Short(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"--rate", "40", "--seconds", "20", "--schemas", "50", "--workers", "2",
                             "--policy", "cost,rendezvous"});
  return more;
}

double EncodedShare(const json& simulated) {
  return simulated["policies"][0]["token_share"]["encoded"];
}

TEST(SimulateProgram, TellsOfEachPolicy) {
  const json simulated = Simulated(Short());
  EXPECT_EQ(simulated["workload"], "Zipf 1.0, 40/s");
  EXPECT_EQ(simulated["seed"], 1);
  ASSERT_EQ(simulated["policies"].size(), 2U);
  EXPECT_EQ(simulated["policies"][0]["policy"], "cost");
  EXPECT_EQ(simulated["policies"][1]["policy"], "rendezvous");
  for (const json& policy : simulated["policies"]) {
    EXPECT_GT(policy["requests"], 450);
    EXPECT_GT(policy["ttft_p50_s"], 0);
    EXPECT_GE(policy["ttft_p99_s"], policy["ttft_p50_s"]);
  }
}

TEST(SimulateProgram, SchemasThatChangeAreEncodedAnew) {
  const json calm = Simulated(Short());
  const json churned = Simulated(Short({"--churn", "2", "--churn-share", "0.5"}));
  EXPECT_EQ(churned["workload"], "Zipf 1.0, 40/s, 50 % new every 2 s");
  EXPECT_GT(EncodedShare(churned), EncodedShare(calm) + 0.1);
}

TEST(SimulateProgram, TheSeedIsThatOfACellToo) {
  const json one = Simulated({"--cell", "mixed", "--policy", "cost", "--seed", "1"});
  const json two = Simulated({"--cell", "mixed", "--policy", "cost", "--seed", "2"});
  EXPECT_EQ(two["seed"], 2);
  EXPECT_NE(one["policies"][0]["requests"], two["policies"][0]["requests"]);
}

TEST(SimulateProgram, SaysWhatIsTooMuch) {
  const ProgramResult result = RunProgram(
      "promptcache",
      {"simulate", "--schemas", "100000", "--seconds", "1000", "--rate", "1", "--churn", "0.1"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.errors, HasSubstr("--churn makes more than a million new schemas"));
  EXPECT_EQ(RunProgram("promptcache", {"simulate", "--churn-share", "0.5"}).exit_code, 2);
}

}  // namespace
}  // namespace promptcache::testing
