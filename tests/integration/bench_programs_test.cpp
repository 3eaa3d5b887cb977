// Measurements with a real engine, on a tiny random model.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/integration/cluster_fixture.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class BenchPrograms : public ::testing::Test {
 protected:
  BenchPrograms() { WriteTinyModel("llama3", directory_.path()); }

  ProgramResult Bench(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "bench");
    arguments.insert(arguments.end(), {"--model", directory_.path().string()});
    return RunProgram("promptcache", arguments);
  }

  const TempDir directory_;
};

TEST_F(BenchPrograms, ServeMeasuresAModelWithReuseAndWithout) {
  const ProgramResult bench =
      Bench({"serve", "--engine", "model", "--requests", "20", "--clients", "4", "--schemas", "2",
             "--words", "4", "--workers", "2", "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.errors << bench.output;
  const json report = json::parse(bench.output);
  for (const char* mode : {"cache_on", "cache_off"}) {
    EXPECT_EQ(report[mode]["requests"], 20) << mode;
    EXPECT_EQ(report[mode]["failed"], 0) << mode;
    for (const char* name : {"requests_per_s", "tokens_per_s", "prompt_tokens_per_s"}) {
      EXPECT_GT(report[mode][name], 0.0) << mode << name;
    }
    for (const char* quantile : {"p50", "p90", "p99"}) {
      EXPECT_GT(report[mode]["first_token_ms"][quantile], 0.0) << mode << quantile;
      EXPECT_GT(report[mode]["total_ms"][quantile], 0.0) << mode << quantile;
    }
  }
  EXPECT_GT(report["cache_on"]["cached_share"], 0.0);
  EXPECT_EQ(report["cache_off"]["cached_share"], 0.0);
  EXPECT_EQ(report["workers"], 2);
}

TEST_F(BenchPrograms, ServeKnowsNoOtherEngine) {
  const ProgramResult bench = Bench({"serve", "--engine", "steam"});
  EXPECT_EQ(bench.exit_code, 2);
  EXPECT_THAT(bench.errors + bench.output, HasSubstr("steam"));
}

TEST_F(BenchPrograms, ServeByAModelMustComeFirst) {
  const ProgramResult bench =
      RunProgram("promptcache", {"--config", "none.toml", "bench", "serve", "--engine", "model"});
  EXPECT_EQ(bench.exit_code, 2);
  EXPECT_THAT(bench.errors, HasSubstr("'bench serve' must come first"));
}

TEST_F(BenchPrograms, TenantsFindNoHitOfAnotherUnlessSchemasAreShared) {
  const ProgramResult bench = Bench({"tenants", "--pairs", "2", "--tokens", "16", "--json"});
  ASSERT_LE(bench.exit_code, 1) << bench.errors;  // what two pairs show is chance
  const json report = json::parse(bench.output);
  EXPECT_EQ(report["sharing_off"]["known_hits"], 0);
  EXPECT_EQ(report["sharing_off"]["fresh_hits"], 0);
  EXPECT_EQ(report["sharing_on"]["known_hits"], 2 * 2);
  EXPECT_EQ(report["sharing_on"]["fresh_hits"], 0);
  EXPECT_GT(report["sharing_off"]["p"], 0.0);
  EXPECT_EQ(report["fault"] == "", bench.exit_code == 0);
}

}  // namespace
}  // namespace promptcache::testing
