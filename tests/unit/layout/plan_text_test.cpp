// Where the texts of a prompt stand, and where generation starts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kThree[] =
    "<schema name='s'>r<module name='A'>a1 a2</module><module name='B'>b1 b2 b3</module>"
    "<module name='C'>c</module>t</schema>";
constexpr char kParam[] =
    R"(<schema name="s"><module name="M">a<parameter name="p" length="3"/>b</module></schema>)";

std::string Planned(const std::string& schema, const std::string& prompt,
                    const PlanOptions& options = {}) {
  return ToyCompiler().Run(schema, prompt, options);
}

TEST(PromptTexts, S049_TextBetweenReferencesFillsTheGapBehindTheFirst) {
  EXPECT_EQ(Planned(kThree, "<A/>m1 m2<C/>q"),
            "length 8; cached r@0 a1@1 a2@2 c@6 t@7; new m1@3 m2@4 q@8; next 9");
  EXPECT_EQ(Planned(kThree, "<A/>m1 m2 m3<C/>q"),
            "length 8; cached r@0 a1@1 a2@2 c@6 t@7; new m1@3 m2@4 m3@5 q@8; next 9");
}

TEST(PromptTexts, S049_TextThatDoesNotFitNamesBothSizes) {
  EXPECT_THAT(Planned(kThree, "<A/>m1 m2 m3 m4<C/>q"),
              AllOf(HasSubstr("prompt.xml:1:24: error:"), HasSubstr("has 4 tokens"),
                    HasSubstr("3 positions are free"), HasSubstr("packed")));
  EXPECT_THAT(Planned(kThree, "<A/>m<B/>q"),
              AllOf(HasSubstr("has 1 token"), HasSubstr("0 positions are free")));
}

TEST(PromptTexts, S050_NoTextIsEverLost) {
  EXPECT_THAT(Planned(kThree, "<A/>mid<B/>\n"), HasSubstr("error: "));
  EXPECT_EQ(Planned(kThree, "<A/>mid<C/>\n"),
            "length 8; cached r@0 a1@1 a2@2 c@6 t@7; new mid@3; next 8");
}

TEST(PromptTexts, TheUnusedEndOfAUnionIsFree) {
  const std::string schema =
      "<schema name='s'><union><module name='A'>a</module><module name='B'>1 2 3</module></union>"
      "<module name='C'>c</module></schema>";
  EXPECT_EQ(Planned(schema, "<A/>x y<C/>q"), "length 4; cached a@0 c@3; new x@1 y@2 q@4; next 5");
  EXPECT_THAT(Planned(schema, "<B/>x<C/>q"), HasSubstr("0 positions are free"));
}

TEST(PromptTexts, OwnTextOfTheSchemaIsSkippedToFindTheGap) {
  const std::string schema =
      "<schema name='s'><module name='A'>a</module>t<module name='B'>b1 b2</module>u<module "
      "name='C'>c</module></schema>";
  EXPECT_EQ(Planned(schema, "<A/>x<C/>q"), "length 6; cached a@0 t@1 u@4 c@5; new x@2 q@6; next 7");
}

TEST(PromptTexts, ASlotIsNotFreeEvenWhenItIsNotFilled) {
  const std::string schema =
      "<schema name='s'><module name='A'>a<param name='p' len='2'/></module><module name='B'>b b"
      "</module><module name='C'>c</module></schema>";
  EXPECT_EQ(Planned(schema, "<A/>x<C/>q"), "length 6; cached a@0 c@5; new x@3 q@6; next 7");
}

TEST(PromptTexts, ReorderingReferencesWithTheirTextsChangesNothing) {
  const std::string schema =
      "<schema name='s'><module name='A'>a</module><module name='X'>x x</module><module "
      "name='B'>b</module><module name='Y'>y y</module><module name='C'>c</module></schema>";
  const std::string expected = "length 7; cached a@0 b@3 c@6; new m@1 n@4 q@7; next 8";
  EXPECT_EQ(Planned(schema, "<A/>m<B/>n<C/>q"), expected);
  EXPECT_EQ(Planned(schema, "<B/>n<A/>m<C/>q"), expected);
}

TEST(PromptTexts, TwoTextsInOneGapAreAnError) {
  // E has no tokens and stands where A ends.
  const std::string schema =
      "<schema name='s'><module name='A'>a</module><module name='E'></module><module name='X'>x x "
      "x</module><module name='C'>c</module></schema>";
  EXPECT_THAT(Planned(schema, "<A/>m<E/>n<C/>q"), HasSubstr("same gap as another text"));
}

TEST(PromptTexts, AnEmptyImportedReferenceEndsAGap) {
  const std::string schema =
      "<schema name='s'><module name='A'>a</module><module name='X'>x x</module><module "
      "name='E'></module><module name='Y'>y y</module><module name='C'>c</module></schema>";
  EXPECT_EQ(Planned(schema, "<A/>m m<E/>n n<C/>q"),
            "length 6; cached a@0 c@5; new m@1 m@2 n@3 n@4 q@6; next 7");
  EXPECT_THAT(Planned(schema, "<A/>m m m<E/><C/>q"), HasSubstr("2 positions are free"));
}

TEST(PromptTexts, TextBehindANestedReferenceStandsBehindItsSubtree) {
  const std::string schema =
      "<schema name='s'><module name='M'>m<module name='N'>n</module><module name='O'>o "
      "o</module></module><module name='C'>c</module></schema>";
  EXPECT_EQ(Planned(schema, "<M/>x y z<C/>q"),
            "length 5; cached m@0 c@4; new x@1 y@2 z@3 q@5; next 6");
  EXPECT_EQ(Planned(schema, "<M><N/></M>x y<C/>q"),
            "length 5; cached m@0 n@1 c@4; new x@2 y@3 q@5; next 6");
}

TEST(PromptTexts, LiteralWhiteSpaceAtTheEdgesIsStripped) {
  EXPECT_EQ(Planned(kParam, "<M/>\n q  r \n"), "length 5; cached a@0 b@4; new q@5 r@6; next 7");
  EXPECT_EQ(Planned(kParam, "<M/> &#32;q"), "length 5; cached a@0 b@4; new _@5 q@6; next 7");
}

TEST(PromptTexts, UnderPreserveTheEdgesStay) {
  const std::string schema =
      "<schema name='s' whitespace='preserve'><module name='M'>a</module></schema>";
  EXPECT_EQ(Planned(schema, "<M/> q "), "length 1; cached a@0; new _@1 q@2 _@3; next 4");
  EXPECT_EQ(Planned(schema, "<M/> \n "), "length 1; cached a@0; new ; next 1");
}

TEST(Generation, S052_EncodeOnlyPlansRecomputeNothing) {
  EXPECT_EQ(Planned(kParam, "<M/>"), "length 5; cached a@0 b@4; new ; next 5");
}

TEST(Generation, S094_TheFirstAnswerTokenFollowsTheLastText) {
  EXPECT_EQ(Planned(kThree, "<A/>q1 q2", {.max_new_tokens = 8}),
            "length 8; cached r@0 a1@1 a2@2 t@7; new q1@8 q2@9; next 10");
}

TEST(Generation, ACachedLastTokenIsComputedAgain) {
  EXPECT_EQ(Planned(kThree, "<A/>", {.max_new_tokens = 8}),
            "length 8; cached r@0 a1@1 a2@2; new t@7; next 8");
  EXPECT_EQ(Planned(kParam, "<M p='x'/>", {.max_new_tokens = 8}),
            "length 5; cached a@0; new x@1 b@4; next 5");
}

TEST(Generation, AUnitWhoseOnlyTokenIsComputedAgainIsNotFetched) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(
      "<schema name='s'><module name='A'>a</module><module name='B'>b</module></schema>");
  ASSERT_TRUE(layout.ok());
  const auto plan =
      compiler.PlanOf(*layout, "<prompt schema='s'><B/><A/></prompt>", {.max_new_tokens = 1});
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  ASSERT_EQ(plan->units.size(), 1U);
  EXPECT_EQ(plan->units[0].path, "s/A");
  EXPECT_EQ(compiler.Cached(*layout, *plan), "a@0");
  EXPECT_EQ(compiler.Words(plan->new_tokens), "b@1");
}

TEST(Generation, StartsAtTheSchemasLengthWhenTheEndIsNotImported) {
  EXPECT_EQ(
      Planned("<schema name='s'><module name='A'>a</module><module name='B'>b b</module></schema>",
              "<A/>", {.max_new_tokens = 1}),
      "length 3; cached ; new a@0; next 3");
}

TEST(Generation, APlanWithoutAnyTokenCannotGenerate) {
  const std::string schema = "<schema name='s'><module name='A'></module></schema>";
  EXPECT_THAT(Planned(schema, "<A/>", {.max_new_tokens = 1}),
              HasSubstr("no token to generate from"));
  EXPECT_EQ(Planned(schema, "<A/>"), "length 0; cached ; new ; next 0");
}

TEST(Generation, S101_TheContextLimitCountsTheAnswer) {
  const std::string ok = Planned(kParam, "<M/>q", {.max_new_tokens = 4, .context_length = 10});
  EXPECT_EQ(ok, "length 5; cached a@0 b@4; new q@5; next 6");
  EXPECT_THAT(Planned(kParam, "<M/>q", {.max_new_tokens = 5, .context_length = 10}),
              AllOf(HasSubstr("11"), HasSubstr("10"), HasSubstr("5")));
}

TEST(Segments, AreMaximalAndAscend) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(
      "<schema name='s'>r0 r1<module name='E'></module>r2<module name='A'>a</module>r3</schema>");
  ASSERT_TRUE(layout.ok());
  const auto plan = compiler.PlanOf(*layout, "<prompt schema='s'><A/><E/>q</prompt>");
  ASSERT_TRUE(plan.ok());
  // r0 r1 and r2 are two runs of one unit, next to each other.
  ASSERT_EQ(plan->segments.size(), 3U);
  EXPECT_EQ(plan->segments[0], (PlanSegment{.unit = 0, .first_row = 0, .rows = 3}));
  EXPECT_EQ(plan->segments[1],
            (PlanSegment{.unit = 1, .first_row = 0, .rows = 1, .first_position = 3, .shift = 3}));
  EXPECT_EQ(plan->segments[2],
            (PlanSegment{.unit = 0, .first_row = 3, .rows = 1, .first_position = 4}));
}

}  // namespace
}  // namespace promptcache::testing
