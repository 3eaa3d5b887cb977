#include "tools/precompute/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/precompute/precompute_fixture.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class Coverage : public PrecomputeTest {
 protected:
  Coverage() {
    const std::string common = "<module name=\"m\">same words</module>";
    plan_.model.name = "smol";
    plan_.format = ToyFormat();
    plan_.schemas =
        Compile({Write("a.xml", "<schema name=\"a\">root" + common +
                                    "<module name=\"n\">one two three</module></schema>"),
                 Write("b.xml", "<schema name=\"b\">root" + common + "</schema>")});
    plan_.units = ListUnits(plan_.schemas, plan_.format).value();
  }

  ModelCoverage With(const std::vector<bool>& stored) {
    plan_.stored = stored;
    return {.plan = &plan_, .missing = MissingUnits(plan_.units, stored)};
  }

  ModelPlan plan_;  // units: the root of both, a's n, the module of both
};

TEST_F(Coverage, SharedUnitsAreCountedInEachSchemaAndOnceInAll) {
  ModelCoverage coverage = With({true, false, false});
  coverage.rate = Rate{.tokens_per_second = 4, .given = true};
  const nlohmann::json json = CoverageToJson({&coverage, 1});
  EXPECT_EQ(json["missing"], 2);
  const nlohmann::json& model = json["models"][0];
  EXPECT_EQ(model["units"], 3);
  EXPECT_EQ(model["stored"], 1);
  EXPECT_EQ(model["own_tokens"], plan_.units[1].own_tokens + plan_.units[2].own_tokens);
  EXPECT_EQ(model["context_tokens"], 1);
  EXPECT_EQ(model["bytes"], plan_.units[1].bytes + plan_.units[2].bytes);
  EXPECT_EQ(model["seconds"], 1.5);
  EXPECT_EQ(model["rate"], "given");
  EXPECT_EQ(model["schemas"][0]["units"], 3);
  EXPECT_EQ(model["schemas"][0]["missing"], 2);
  EXPECT_EQ(model["schemas"][1]["units"], 2);
  EXPECT_EQ(model["schemas"][1]["missing"], 1);
  EXPECT_EQ(model["schemas"][1]["version"], plan_.schemas[1].version);
  EXPECT_EQ(model["missing_units"][0]["module"], "a/n");
  EXPECT_EQ(model["missing_units"][0]["key"], plan_.units[1].key.ToHex());
}

TEST_F(Coverage, TextNamesWhatIsMissingAndWhatItCosts) {
  ModelCoverage coverage = With({true, false, true});
  EXPECT_THAT(RenderCoverage({&coverage, 1}),
              AllOf(HasSubstr("smol: 1 of 3 units are missing: 4 tokens to run (3 own, 1 of"),
                    HasSubstr("a/n: 3 tokens\n"), Not(HasSubstr("tokens/s"))));
  coverage.rate = Rate{.tokens_per_second = 0.5};
  EXPECT_THAT(RenderCoverage({&coverage, 1}), HasSubstr("about 8 s at 0 tokens/s (measured here)"));
}

TEST_F(Coverage, WithEverythingStoredIsOneLine) {
  const ModelCoverage coverage = With({true, true, true});
  EXPECT_EQ(CountMissing({&coverage, 1}), 0U);
  EXPECT_THAT(RenderCoverage({&coverage, 1}), HasSubstr("smol: all 3 units are stored\n"));
}

TEST(ProgressText, TellsTheTimeLeftByTokens) {
  const PrecomputeProgress total{.units = 8, .tokens = 4000, .bytes = 16 << 20};
  EXPECT_EQ(ProgressText({}, total, 0),
            "[--------------------] 0 of 8 units, 0 of 4000 tokens, 0 B of 16.0 MiB, ? left");
  EXPECT_EQ(ProgressText({.units = 3, .tokens = 1000, .bytes = 5 << 20}, total, 50),
            "[#####---------------] 3 of 8 units, 1000 of 4000 tokens, 5.0 MiB of 16.0 MiB, "
            "2 min 30 s left");
  EXPECT_THAT(ProgressText({.units = 4, .tokens = 1000}, total, 5000),
              EndsWith(", 4 h 10 min left"));
}

TEST(OutcomeText, NamesOthersOnlyWhereThereWereAny) {
  PrecomputeOutcome outcome{.encoded = {.units = 2, .tokens = 9, .bytes = 1024}, .seconds = 1.25};
  EXPECT_EQ(RenderOutcome("smol", outcome, 5),
            "smol: encoded 2 units (9 tokens, 1.0 KiB) in 1.2 s; 5 were stored before\n");
  outcome.by_others = 1;
  EXPECT_THAT(RenderOutcome("smol", outcome, 5), HasSubstr("1 were stored meanwhile"));
  EXPECT_EQ(OutcomeToJson("smol", outcome, 5)["encoded"], 2);
}

}  // namespace
}  // namespace promptcache::testing
