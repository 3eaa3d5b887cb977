// positions="packed": only what is present takes room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kSchema[] =
    "<schema name='s' positions='packed'>r<module name='A'>a1 a2</module>u<module name='B'>b"
    "<param name='p' len='3'/>c<module name='X'>x</module></module>t</schema>";

std::string Outcome(const std::string& prompt, const PlanOptions& options = {}) {
  return ToyCompiler().Run(kSchema, prompt, options);
}

TEST(Packed, ContextAndOwnRunsAreConsecutive) {
  EXPECT_EQ(ToyCompiler().Recipes(kSchema),
            "s: [] r@0 u@1 t@2; s/A: [r@-1] a1@0 a2@1; s/B: [r@-2 u@-1] b@0 c@1; "
            "s/B/X: [r@-4 u@-3 b@-2 c@-1] x@0");
}

TEST(Packed, AScaffoldTextTakesItsTokensWhileEncoding) {
  EXPECT_EQ(ToyCompiler().Recipes("<schema name='s' positions='packed'><module name='M'>a"
                                  "<param name='p' len='5' scaffold='x y'/>b</module></schema>"),
            "s/M: [] a@0 (x@1 y@2) b@3");
}

TEST(Packed, PositionsAreCountedWithoutGaps) {
  EXPECT_EQ(Outcome("q"), "length 11; cached r@0 u@1 t@2; new q@3; next 4");
  EXPECT_EQ(Outcome("<B/>q"), "length 11; cached r@0 u@1 b@2 c@3 t@4; new q@5; next 6");
  EXPECT_EQ(Outcome("<B p='k l'/>q"),
            "length 11; cached r@0 u@1 b@2 c@5 t@6; new k@3 l@4 q@7; next 8");
  EXPECT_EQ(Outcome("<B><X/></B><A/>q"),
            "length 11; cached r@0 a1@1 a2@2 u@3 b@4 c@5 x@6 t@7; new q@8; next 9");
}

TEST(Packed, TextBetweenReferencesTakesTheRoomItNeeds) {
  EXPECT_EQ(
      Outcome("<A/>one two three four<B/>q"),
      "length 11; cached r@0 a1@1 a2@2 u@3 b@8 c@9 t@10; new one@4 two@5 three@6 four@7 q@11; "
      "next 12");
}

TEST(Packed, TwoTextsInOneGapAreStillAnError) {
  const std::string schema =
      "<schema name='s' positions='packed'><module name='A'>a</module><module name='B'/>"
      "<module name='C'>c</module></schema>";
  EXPECT_THAT(ToyCompiler().Run(schema, "<A/>one<B/>two<C/>q"), HasSubstr("the same gap"));
}

TEST(Packed, S094_GenerationFollowsTheLastToken) {
  EXPECT_EQ(Outcome("<A/>", {.max_new_tokens = 4}),
            "length 11; cached r@0 a1@1 a2@2 u@3; new t@4; next 5");
}

TEST(Packed, TheSchemaMayBeLongerThanTheContextButNoRecipeMay) {
  const ToyCompiler compiler;
  const std::string schema =
      "<schema name='s' positions='packed'>r<module name='A'>a b c</module>"
      "<module name='B'>d e f</module></schema>";
  EXPECT_TRUE(compiler.LayoutOf(schema, {.context_length = 4}).ok());
  EXPECT_THAT(compiler.LayoutOf(schema, {.context_length = 3}).status().message(),
              HasSubstr("the unit 's/A' spans 4 positions with what it is encoded behind; the "
                        "model's context has 3"));
}

TEST(Packed, NoEditElsewhereChangesADigest) {
  const ToyCompiler compiler;
  const auto digest = [&](const std::string& sibling, const std::string& child) {
    const auto layout = compiler.LayoutOf("<schema name='s' positions='packed'>r<module name='A'>" +
                                          sibling + "</module><module name='M'>m<module name='X'>" +
                                          child + "</module>n</module></schema>");
    return layout->units[2].digest;
  };
  EXPECT_EQ(digest("a", "x"), digest("a b c d", "x y z"));
}

TEST(Packed, TheBaselinesHaveTheSameTokensAtTheSamePositions) {
  const std::string expected = "length 11; cached ; new r@0 u@1 b@2 k@3 c@4 t@5 q@6; next 7";
  EXPECT_EQ(Outcome("<B p='k'/>q", {.reuse = ReuseMode::kFull}), expected);
  EXPECT_EQ(Outcome("<B p='k'/>q", {.reuse = ReuseMode::kFullContiguous}), expected);
}

TEST(Packed, UncachedModulesAreComputedWhereTheyStand) {
  EXPECT_EQ(ToyCompiler().Run("<schema name='s' positions='packed'>r<module name='A' cache='false'>"
                              "a</module><module name='B'>b</module></schema>",
                              "<B/><A/>q"),
            "length 3; cached r@0 b@2; new a@1 q@3; next 4");
}

}  // namespace
}  // namespace promptcache::testing
