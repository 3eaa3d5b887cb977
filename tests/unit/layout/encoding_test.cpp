// What stands in slots while text is encoded, and what a unit sees in `schema` encoding.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

std::string Recipes(const std::string& schema) { return ToyCompiler().Recipes(schema); }

TEST(ParamScaffolds, StandInTheSlotSeenByLaterRunsAndDescendants) {
  EXPECT_EQ(Recipes("<schema name='s'>r<module name='M'>a<param name='p' len='3' scaffold='x y'/>b"
                    "<module name='N'>n</module></module></schema>"),
            "s: [] r@0; s/M: [r@-1] a@0 (x@1 y@2) b@4; s/M/N: [r@-6 a@-5 x@-4 y@-3 b@-1] n@0");
}

TEST(ParamScaffolds, ALeadingOneIsContextAndATrailingOneIsNotEncoded) {
  EXPECT_EQ(Recipes("<schema name='s'><module name='M'><param name='p' len='2' scaffold='x'/>b"
                    "<param name='q' len='1' scaffold='y'/></module></schema>"),
            "s/M: [x@-2] b@0");
}

TEST(ParamScaffolds, TwoNextToEachOtherAreOneHiddenStretch) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(
      "<schema name='s'><module name='M'>a<param name='p' len='1' scaffold='x'/><param name='q' "
      "len='1' scaffold='y'/>b</module></schema>");
  ASSERT_TRUE(layout.ok());
  const Recipe recipe = layout->RecipeOf(layout->units[0]);
  EXPECT_EQ(recipe.hidden, (std::vector<RowRange>{{1, 2}}));
  EXPECT_EQ(recipe.Digest(), layout->units[0].digest);
  EXPECT_EQ(layout->units[0].tokens, 2U);
}

TEST(ParamScaffolds, S032_TheyDecideTheEncodingOnlyNotThePlan) {
  const std::string plain =
      "<schema name='s'><module name='M'>a<param name='p' len='2'/>b</module>"
      "</schema>";
  const std::string with =
      "<schema name='s'><module name='M'>a<param name='p' len='2' "
      "scaffold='x y'/>b</module></schema>";
  const ToyCompiler compiler;
  EXPECT_EQ(compiler.Run(plain, "<M p='k'/>q"), compiler.Run(with, "<M p='k'/>q"));
  EXPECT_NE(compiler.LayoutOf(plain)->units[0].digest, compiler.LayoutOf(with)->units[0].digest);
}

TEST(ParamScaffolds, S033_LongerThanTheSlotIsAnErrorThatNamesBoth) {
  EXPECT_THAT(ToyCompiler().SchemaError("<schema name='s'><module name='M'><param name='p' len='1' "
                                        "scaffold='x y'/></module></schema>"),
              HasSubstr("the scaffold of the parameter 'p' in 's/M' has 2 tokens; its slot has 1"));
}

// ---- encoding="schema" ----

constexpr char kUnion[] =
    "<schema name='s' encoding='schema'>r<union scaffold='A'><module name='A'>1 2</module>"
    "<module name='B'>3</module></union>t</schema>";

TEST(SchemaEncoding, S080_UnitsSeeTheDefaultSelection) {
  EXPECT_EQ(Recipes(kUnion), "s: [] r@0 (1@1 2@2) t@3; s/A: [r@-1] 1@0 2@1; s/B: [r@-1] 3@0");
}

TEST(SchemaEncoding, S081_AUnionWithoutScaffoldIsAbsent) {
  EXPECT_EQ(Recipes("<schema name='s' encoding='schema'>r<union><module name='A'>1 2</module>"
                    "<module name='B'>3</module></union>t</schema>"),
            "s: [] r@0 t@3; s/A: [r@-1] 1@0 2@1; s/B: [r@-1] 3@0");
}

TEST(SchemaEncoding, S079_AModuleSeesEarlierModulesImportedOrNot) {
  EXPECT_EQ(Recipes("<schema name='s' encoding='schema'>r<module name='A'>a1 a2</module>"
                    "<module name='B'>b1</module>t</schema>"),
            "s: [] r@0 (a1@1 a2@2 b1@3) t@4; s/A: [r@-1] a1@0 a2@1; "
            "s/B: [r@-3 a1@-2 a2@-1] b1@0");
}

TEST(SchemaEncoding, TheWayToAMemberIsForcedAndOtherUnionsHaveTheirDefaults) {
  EXPECT_EQ(Recipes("<schema name='s' encoding='schema'><union scaffold='A'><module name='A'>a"
                    "</module><module name='B'>b</module></union><union scaffold='C'>"
                    "<module name='C'>c</module><module name='D'>d1<module name='E'>e</module>"
                    "</module></union>t</schema>"),
            "s: [a@-3 c@-2] t@0; s/A: [] a@0; s/B: [] b@0; s/C: [a@-1] c@0; s/D: [a@-1] d1@0; "
            "s/D/E: [a@-2 d1@-1] e@0");
}

TEST(SchemaEncoding, S031_EmptySlotsHoldPlaceholders) {
  EXPECT_EQ(Recipes("<schema name='s' encoding='schema'><module name='M'>a<param name='p' len='2'/>"
                    "b</module></schema>"),
            "s/M: [] a@0 (<unk>@1 <unk>@2) b@3");
}

TEST(SchemaEncoding, S032_AScaffoldComesFirstAndPlaceholdersFillTheRest) {
  EXPECT_EQ(Recipes("<schema name='s' encoding='schema'><module name='M'>a<param name='p' len='3' "
                    "scaffold='x'/>b</module></schema>"),
            "s/M: [] a@0 (x@1 <unk>@2 <unk>@3) b@4");
}

TEST(SchemaEncoding, UncachedTextEntersNoContext) {
  EXPECT_EQ(Recipes("<schema name='s' encoding='schema'>r<module name='A' cache='false'>a"
                    "<module name='X'>x</module></module><module name='B'>b</module></schema>"),
            "s: [] r@0; s/B: [r@-3] b@0");
}

TEST(SchemaEncoding, S083_TextBehindAUnionHasSeenTheDefaultWhateverIsImported) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(kUnion);
  ASSERT_TRUE(layout.ok());
  const auto plan = compiler.PlanOf(*layout, "<prompt schema='s'><B/>q</prompt>");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(compiler.Cached(*layout, *plan), "r@0 3@1 t@3");
  EXPECT_EQ(plan->units[0].digest, layout->units[0].digest);
}

}  // namespace
}  // namespace promptcache::testing
