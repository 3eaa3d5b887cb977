#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kTwo[] =
    R"(<schema name="s">r<module name="A">a1 a2</module><module name="B">b1</module>t</schema>)";
constexpr char kUnion[] =
    R"(<schema name="s">r<union><module name="A">1 2 3</module><module name="B">4</module></union>t</schema>)";
constexpr char kParam[] =
    R"(<schema name="s"><module name="M">a<parameter name="p" length="3"/>b</module></schema>)";
constexpr char kDeep[] =
    R"(<schema name="s">r<module name="M">m<module name="N">n<module name="O">o</module></module><module name="K">k</module></module></schema>)";

std::string Planned(const std::string& schema, const std::string& prompt,
                    const PlanOptions& options = {}) {
  return ToyCompiler().Run(schema, prompt, options);
}

TEST(Plans, S002_ImportedModulesStandAtTheirSchemaPositions) {
  EXPECT_EQ(Planned(kTwo, "<A/><B/>q"), "length 5; cached r@0 a1@1 a2@2 b1@3 t@4; new q@5; next 6");
}

TEST(Plans, S003_ModulesNotImportedLeaveTheirPositionsUnused) {
  EXPECT_EQ(Planned(kTwo, "<B/>q"), "length 5; cached r@0 b1@3 t@4; new q@5; next 6");
}

TEST(Plans, S004_TheOrderOfReferencesChangesNothing) {
  EXPECT_EQ(Planned(kTwo, "<B/><A/>q"), Planned(kTwo, "<A/><B/>q"));
}

TEST(Plans, S005_TextWithoutReferencesStartsAtTheSchemasLength) {
  EXPECT_EQ(Planned(kTwo, "q1 q2"), "length 5; cached r@0 t@4; new q1@5 q2@6; next 7");
}

TEST(Plans, S006_TextStartsAtTheSchemasLengthWhateverIsSelected) {
  EXPECT_EQ(Planned(kDeep, "q"), "length 5; cached r@0; new q@5; next 6");
}

TEST(Plans, S009_OneMemberOfAUnion) {
  EXPECT_EQ(Planned(kUnion, "<B/>q"), "length 5; cached r@0 4@1 t@4; new q@5; next 6");
}

TEST(Plans, S010_NothingOfAUnionIsSelectedByDefault) {
  EXPECT_EQ(Planned(kUnion, "q"), "length 5; cached r@0 t@4; new q@5; next 6");
}

TEST(Plans, S011_AScaffoldSelectsNothingInAPrompt) {
  std::string schema = kUnion;
  schema.replace(schema.find("<union>"), 7, "<union scaffold='A'>");
  EXPECT_EQ(Planned(schema, "q"), "length 5; cached r@0 t@4; new q@5; next 6");
}

TEST(Plans, S013_NestedTextNeedsTheWholeChainOfReferences) {
  EXPECT_EQ(Planned(kDeep, "<M/>q"), "length 5; cached r@0 m@1; new q@5; next 6");
  EXPECT_EQ(Planned(kDeep, "<M><N/></M>q"), "length 5; cached r@0 m@1 n@2; new q@5; next 6");
}

TEST(Plans, S014_AbsentChildrenKeepTheirPositionsReserved) {
  EXPECT_EQ(Planned(kDeep, "<M><K/></M>q"), "length 5; cached r@0 m@1 k@4; new q@5; next 6");
}

TEST(Plans, S015_TheTripPlanOfThePaper) {
  EXPECT_EQ(
      Planned(
          "<schema name=\"cities\"><module name=\"city-info\">c1 c2 c3</module><module "
          "name=\"trip-plan\">plan a trip of<parameter name=\"duration\" length=\"2\"/></module>"
          "<module name=\"tokyo\">tokyo t t</module><module name=\"miami\">miami m m "
          "m</module></schema>",
          "<trip-plan duration=\"3 days\"/><miami/>Highlight the surf spots."),
      "length 16; cached plan@3 a@4 trip@5 of@6 miami@12 m@13 m@14 m@15; new 3@7 days@8 "
      "Highlight@16 the@17 surf@18 spots.@19; next 20");
}

TEST(Plans, S016_AUnionInsideAMemberOfAUnion) {
  EXPECT_EQ(
      Planned(
          "<schema name=\"s\">r<module name=\"M\">m<union scaffold=\"A\"><module "
          "name=\"A\">a<union "
          "scaffold=\"X\"><module name=\"X\">x</module><module name=\"Y\">y y</module></union>"
          "</module><module name=\"B\">b<union scaffold=\"U\"><module name=\"U\">u</module><module "
          "name=\"V\">v</module></union></module></union></module>t</schema>",
          "<M><A><Y/></A></M>q"),
      "length 6; cached r@0 m@1 a@2 y@3 y@4 t@5; new q@6; next 7");
}

TEST(Plans, S017_SiblingUnionsChooseIndependently) {
  const std::string schema =
      "<schema name='s'><union><module name='A'>a</module><module name='B'>b b</module></union>"
      "<union><module name='C'>c</module><module name='D'>d</module></union></schema>";
  EXPECT_EQ(Planned(schema, "<B/><C/>q"), "length 3; cached b@0 b@1 c@2; new q@3; next 4");
  EXPECT_EQ(Planned(schema, "<A/><D/>q"), "length 3; cached a@0 d@2; new q@3; next 4");
}

TEST(Plans, S025_ArgumentsTakeTheFirstPositionsOfTheirSlot) {
  EXPECT_EQ(Planned(kParam, "<M p=\"x y\"/>q"),
            "length 5; cached a@0 b@4; new x@1 y@2 q@5; next 6");
}

TEST(Plans, S026_AnUnfilledSlotContributesNothing) {
  EXPECT_EQ(Planned(kParam, "<M/>q"), "length 5; cached a@0 b@4; new q@5; next 6");
}

TEST(Plans, S027_AnArgumentMayFillTheSlot) {
  EXPECT_EQ(Planned(kParam, "<M p=\"x y z\"/>q"),
            "length 5; cached a@0 b@4; new x@1 y@2 z@3 q@5; next 6");
}

TEST(Plans, S028_ALongerArgumentNamesParameterCountAndLimit) {
  EXPECT_THAT(Planned(kParam, "<M p=\"w x y z\"/>q"),
              AllOf(HasSubstr("'p'"), HasSubstr("'s/M'"), HasSubstr("4 tokens"), HasSubstr("3")));
}

TEST(Plans, S029_AnEmptyArgumentAddsNothing) {
  EXPECT_EQ(Planned(kParam, "<M p=\"\"/>q"), Planned(kParam, "<M/>q"));
}

TEST(Plans, S030_AnUnknownArgumentIsNamedWithItsModule) {
  EXPECT_THAT(Planned(kParam, "<M pp=\"x\"/>q"),
              AllOf(HasSubstr("'s/M' has no parameter 'pp'"), HasSubstr("did you mean 'p'?")));
}

TEST(Plans, S035_ArgumentsAreComputedAndLeaveTheUnitsAsTheyAre) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(kParam);
  ASSERT_TRUE(layout.ok());
  const auto one = compiler.PlanOf(*layout, "<prompt schema='s'><M p='x'/>q</prompt>");
  const auto two = compiler.PlanOf(*layout, "<prompt schema='s'><M p='y y'/>q</prompt>");
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->units, two->units);
  EXPECT_EQ(one->segments, two->segments);
}

TEST(Plans, S036_SeveralArgumentsWhateverTheirOrder) {
  const std::string schema =
      "<schema name=\"s\"><module name=\"A\">a<parameter name=\"p\" "
      "length=\"2\"/>a</module><module "
      "name=\"B\">b<parameter name=\"p\" length=\"2\"/><parameter name=\"r\" "
      "length=\"1\"/></module></schema>";
  const std::string expected = "length 8; cached a@0 a@3 b@4; new x@1 y@5 z@7 q@8; next 9";
  EXPECT_EQ(Planned(schema, "<A p=\"x\"/><B r=\"z\" p=\"y\"/>q"), expected);
  EXPECT_EQ(Planned(schema, "<B p=\"y\" r=\"z\"/><A p=\"x\"/>q"), expected);  // S37
}

TEST(Plans, S042_AnUnknownModuleIsNamedWithItsParent) {
  EXPECT_THAT(Planned(kTwo, "<Z/>q"), HasSubstr("'s' has no module 'Z'"));
  EXPECT_THAT(Planned(kDeep, "<M><Z/></M>q"), HasSubstr("'s/M' has no module 'Z'"));
}

TEST(Plans, S043_SkippingALevelSaysWhereTheModuleIs) {
  EXPECT_THAT(Planned(kDeep, "<N/>q"),
              AllOf(HasSubstr("'s' has no module 'N'"), HasSubstr("it is in 's/M'")));
  EXPECT_THAT(Planned(kDeep, "<M><O/></M>q"), HasSubstr("it is in 's/M/N'"));
}

TEST(Plans, S044_APromptForAnotherSchemaIsRejected) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(kTwo);
  ASSERT_TRUE(layout.ok());
  const auto plan = compiler.PlanOf(*layout, "<prompt schema='zz'>q</prompt>");
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.status().message(), AllOf(HasSubstr("'zz'"), HasSubstr("'s'")));
}

TEST(Plans, S045_TwoMembersOfOneUnionAreNamed) {
  EXPECT_THAT(Planned(kUnion, "<A/><B/>q"),
              AllOf(HasSubstr("prompt.xml:1:24: error:"), HasSubstr("'A' and 'B'")));
}

TEST(Plans, S046_AModuleIsImportedOnce) {
  EXPECT_THAT(Planned(kTwo, "<A/><B/><A/>q"),
              AllOf(HasSubstr("prompt.xml:1:28: error:"), HasSubstr("'s/A' is imported twice")));
}

TEST(Plans, S047_TextInsideAReferenceIsRejected) {
  EXPECT_THAT(Planned(kTwo, "<A>x</A>q"), HasSubstr("text inside the reference <A>"));
  EXPECT_THAT(Planned(kTwo, "<A><user></A>q"), HasSubstr("text inside the reference <A>"));
  EXPECT_EQ(Planned(kTwo, "<A> <!-- c -->\n</A>q"), Planned(kTwo, "<A/>q"));
}

TEST(Plans, S048_TextBeforeTheFirstReferenceIsRejected) {
  EXPECT_THAT(Planned(kTwo, "lead<A/>"), HasSubstr("text before the first reference"));
  EXPECT_THAT(Planned(kTwo, "<user><A/>q"), HasSubstr("text before the first reference"));
  EXPECT_EQ(Planned(kTwo, " <!-- c -->\n<A/>q"), Planned(kTwo, "<A/>q"));
}

TEST(Plans, S051_AnEmptyPromptIsRejected) {
  EXPECT_THAT(Planned(kTwo, ""), HasSubstr("the prompt is empty"));
  EXPECT_THAT(Planned(kTwo, " \n <!-- c -->"), HasSubstr("the prompt is empty"));
}

TEST(Plans, S053_CommentsAreIgnored) {
  EXPECT_EQ(Planned(kTwo, "<!-- c --><A/><!-- d -->q<!-- e -->2"),
            "length 5; cached r@0 a1@1 a2@2 t@4; new q2@5; next 6");
}

TEST(Plans, S095_TheContiguousBaselineHasTheSameTokensFromZeroOn) {
  EXPECT_EQ(Planned(kParam, "<M p=\"x y\"/>q", {.reuse = ReuseMode::kFullContiguous}),
            "length 5; cached ; new a@0 x@1 y@2 b@3 q@4; next 5");
}

TEST(Plans, S096_TheFullBaselineKeepsTheSchemasPositions) {
  EXPECT_EQ(Planned(kParam, "<M p=\"x y\"/>q", {.reuse = ReuseMode::kFull}),
            "length 5; cached ; new a@0 x@1 y@2 b@4 q@5; next 6");
}

TEST(Plans, S088_UncachedModulesAreComputedAtTheirPositions) {
  EXPECT_EQ(Planned("<schema name='s'>r<module name='A' cache='false'>a<module "
                    "name='B'>b</module></module>t</schema>",
                    "<A><B/></A>q"),
            "length 4; cached r@0 t@3; new a@1 b@2 q@4; next 5");
}

}  // namespace
}  // namespace promptcache::testing
