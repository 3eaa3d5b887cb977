// Scaffold sets: modules that are encoded together and used together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

constexpr char kSet[] =
    "<schema name='s'>r<module name='A'>a</module>u<module name='B'>b</module>t"
    "<scaffold modules='B A'/></schema>";

// What the plan of `prompt` reads: "s/A: 1; s/B: 1", units with the rows that are used.
std::string Reads(const std::string& schema, const std::string& prompt,
                  const PlanOptions& options = {}) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(schema);
  if (!layout.ok()) return layout.status().message();
  const auto plan = compiler.PlanOf(*layout, "<prompt schema='s'>" + prompt + "</prompt>", options);
  if (!plan.ok()) return plan.status().message();
  std::vector<uint32_t> rows(plan->units.size());
  for (const PlanSegment& segment : plan->segments) rows[segment.unit] += segment.rows;
  std::string out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out += (i == 0 ? "" : "; ") + plan->units[i].path + ": " + std::to_string(rows[i]);
  }
  return out;
}

TEST(ScaffoldSets, HoldTheirModulesAndWhatLiesBehindTheFirstBehindTheCommonContext) {
  EXPECT_EQ(ToyCompiler().Recipes(kSet),
            "s: [] r@0 u@2 t@4; s/A: [r@-1] a@0; s/B: [r@-3 u@-1] b@0; "
            "s/{A B}: [r@-1] a@0 u@1 b@2 t@3");
}

TEST(ScaffoldSets, S084_ReplaceTheirRowsOnlyWhenAllMembersAreImported) {
  EXPECT_EQ(Reads(kSet, "<A/>"), "s: 3; s/A: 1");
  EXPECT_EQ(Reads(kSet, "<B/>"), "s: 3; s/B: 1");
  EXPECT_EQ(Reads(kSet, "<B/><A/>"), "s: 1; s/{A B}: 4");
}

TEST(ScaffoldSets, ThePlanHasTheSameTokensWithAndWithoutThem) {
  const std::string without =
      "<schema name='s'>r<module name='A'>a</module>u<module name='B'>b</module>t</schema>";
  const ToyCompiler compiler;
  EXPECT_EQ(compiler.Run(kSet, "<A/><B/>q"), compiler.Run(without, "<A/><B/>q"));
}

TEST(ScaffoldSets, TakeNoPositionsAndDoNotSplitText) {
  EXPECT_EQ(ToyCompiler().Recipes("<schema name='s'><module name='A'>a</module><module name='B'>b"
                                  "</module>t <scaffold modules='A B'/> u</schema>"),
            "s: [] t@0 u@1; s/A: [] a@0; s/B: [] b@0; s/{A B}: [] a@0 b@1 t@2 u@3");
}

TEST(ScaffoldSets, ChildrenBelongToThemOnlyWhenNamed) {
  const std::string schema =
      "<schema name='s'>r<module name='A'>a0<module name='X'>x</module>a1</module>"
      "<module name='B'>b</module>";
  EXPECT_EQ(ToyCompiler().Recipes(schema + "<scaffold modules='A B'/></schema>"),
            "s: [] r@0; s/A: [r@-1] a0@0 a1@2; s/A/X: [r@-2 a0@-1] x@0; s/B: [r@-4] b@0; "
            "s/{A B}: [r@-1] a0@0 a1@2 b@3");
  EXPECT_EQ(ToyCompiler().Recipes(schema + "<scaffold modules='B A/X A'/></schema>"),
            "s: [] r@0; s/A: [r@-1] a0@0 a1@2; s/A/X: [r@-2 a0@-1] x@0; s/B: [r@-4] b@0; "
            "s/{A A/X B}: [r@-1] a0@0 x@1 a1@2 b@3");
}

TEST(ScaffoldSets, WhatOnlySomeMembersSeeIsNoContext) {
  // a0 is before X, but B does not see it; a1 lies behind X in what encloses it.
  EXPECT_EQ(ToyCompiler().Recipes(
                "<schema name='s'>r<module name='A'>a0<module name='X'>x</module>a1</module>"
                "<module name='B'>b</module><scaffold modules='A/X B'/></schema>"),
            "s: [] r@0; s/A: [r@-1] a0@0 a1@2; s/A/X: [r@-2 a0@-1] x@0; s/B: [r@-4] b@0; "
            "s/{A/X B}: [r@-2] x@0 a1@1 b@2");
}

TEST(ScaffoldSets, InsideOneContainerTheySeeItsEarlierText) {
  EXPECT_EQ(ToyCompiler().Recipes(
                "<schema name='s'>r<module name='A'>a0<module name='X'>x</module>a1"
                "<module name='Y'>y</module></module>t<scaffold modules='A/X A/Y'/></schema>"),
            "s: [] r@0 t@5; s/A: [r@-1] a0@0 a1@2; s/A/X: [r@-2 a0@-1] x@0; "
            "s/A/Y: [r@-4 a0@-3 a1@-1] y@0; s/{A/X A/Y}: [r@-2 a0@-1] x@0 a1@1 y@2 t@3");
}

TEST(ScaffoldSets, AreIndependentOfContextInIndependentEncoding) {
  EXPECT_EQ(ToyCompiler().Recipes("<schema name='s' encoding='independent'>r<module name='A'>a"
                                  "</module><module name='B'>b</module><scaffold modules='A B'/>"
                                  "</schema>"),
            "s: [] r@0; s/A: [] a@0; s/B: [] b@0; s/{A B}: [] a@0 b@1");
}

TEST(ScaffoldSets, ScaffoldTextOfAParameterStandsInItsSlot) {
  EXPECT_EQ(
      ToyCompiler().Recipes(
          "<schema name='s'><module name='A'>a<param name='p' len='2' scaffold='x'/>c</module>"
          "<module name='B'>b</module><scaffold modules='A B'/></schema>"),
      "s/A: [] a@0 (x@1) c@3; s/B: [] b@0; s/{A B}: [] a@0 (x@1) c@3 b@4");
}

TEST(ScaffoldSets, TheLargestComesFirstAndNoRowIsReplacedTwice) {
  const std::string modules =
      "<schema name='s'><module name='A'>a</module><module name='B'>b1 b2</module>"
      "<module name='C'>c1 c2 c3</module>";
  const std::string sets = "<scaffold modules='A B'/><scaffold modules='B C'/></schema>";
  EXPECT_EQ(Reads(modules + sets, "<A/><B/>"), "s/{A B}: 3");
  // {B C} has five tokens; of {A B} remains what it does not have.
  EXPECT_EQ(Reads(modules + sets, "<A/><B/><C/>"), "s/{A B}: 1; s/{B C}: 5");
}

TEST(ScaffoldSets, AmongEquallyLargeOnesDocumentOrderDecides) {
  EXPECT_EQ(Reads("<schema name='s'><module name='A'>a</module><module name='B'>b</module>"
                  "<module name='C'>c</module><scaffold modules='B C'/><scaffold modules='A B'/>"
                  "</schema>",
                  "<A/><B/><C/>"),
            "s/{A B}: 1; s/{B C}: 2");
}

TEST(ScaffoldSets, TheLastTokenIsComputedAgainThoughItIsASetsRow) {
  EXPECT_EQ(Reads("<schema name='s'><module name='A'>a</module><module name='B'>b</module>"
                  "<scaffold modules='A B'/></schema>",
                  "<A/><B/>", {.max_new_tokens = 1}),
            "s/{A B}: 1");
}

TEST(ScaffoldSets, WithoutTokensTheyDoNothing) {
  EXPECT_EQ(Reads("<schema name='s'>r<module name='A'/><module name='B'/><scaffold modules='A B'/>"
                  "</schema>",
                  "<A/><B/>q"),
            "s: 1");
}

TEST(ScaffoldSets, LiveAsLongAsTheMemberThatLivesShortest) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(
      "<schema name='s' pin='true' ttl='7d'><module name='A' ttl='1h'>a</module>"
      "<module name='B' pin='false'>b</module><module name='C'>c</module>"
      "<scaffold modules='A B'/><scaffold modules='A C'/></schema>");
  ASSERT_TRUE(layout.ok()) << layout.status().message();
  EXPECT_EQ(layout->units[3].lifetime, (Lifetime{.ttl_ms = 3'600'000, .pinned = false}));
  EXPECT_EQ(layout->units[4].lifetime, (Lifetime{.ttl_ms = 3'600'000, .pinned = true}));
}

}  // namespace
}  // namespace promptcache::testing
