#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

// The example of the architecture document.
constexpr char kNested[] = "r<module name='A'>a0<module name='B'>b</module>a1</module>t</schema>";

TEST(Recipes, AnchoredContextIsOwnAndAncestorsEarlierRuns) {
  EXPECT_EQ(ToyCompiler().Recipes(std::string("<schema name='s'>") + kNested),
            "s: [] r@0 t@4; s/A: [r@-1] a0@0 a1@2; s/A/B: [r@-2 a0@-1] b@0");
}

TEST(Recipes, S079_IndependentContextIsEmpty) {
  EXPECT_EQ(
      ToyCompiler().Recipes(std::string("<schema name='s' encoding='independent'>") + kNested),
      "s: [] r@0 t@4; s/A: [] a0@0 a1@2; s/A/B: [] b@0");
}

TEST(Recipes, S087_NoUnitDependsOnSiblingsChildrenOrUnionMembers) {
  const ToyCompiler compiler;
  const auto digest_of_c = [&](const std::string& a, const std::string& b) {
    const auto layout = compiler.LayoutOf(
        "<schema name='s'>r<union><module name='A'>" + a + "</module><module name='B'>" + b +
        "</module></union><module name='C'>c<module name='D'>d</module></module></schema>");
    EXPECT_TRUE(layout.ok());
    return layout->units.at(3).digest;
  };
  EXPECT_EQ(digest_of_c("1 2 3", "4"), digest_of_c("x y z", "5 6"));
  // The distance to the context is part of the recipe.
  EXPECT_NE(digest_of_c("1 2 3", "4"), digest_of_c("1 2 3 4", "4"));
}

TEST(Recipes, ASlotIsAGapInTheRelativePositions) {
  EXPECT_EQ(ToyCompiler().Recipes("<schema name='s'>r<module name='M'>a<param name='p' len='3'/>b"
                                  "<module name='N'>n</module></module></schema>"),
            "s: [] r@0; s/M: [r@-1] a@0 b@4; s/M/N: [r@-6 a@-5 b@-1] n@0");
}

TEST(Recipes, UnionMembersSeeWhatIsBeforeTheUnionOnly) {
  EXPECT_EQ(ToyCompiler().Recipes("<schema name='s'>r<union><module name='A'>1 2</module><module "
                                  "name='B'>3</module></union>t</schema>"),
            "s: [] r@0 t@3; s/A: [r@-1] 1@0 2@1; s/B: [r@-1] 3@0");
}

TEST(Recipes, TheFirstOwnTokenIsAtZeroBehindALeadingSlot) {
  EXPECT_EQ(ToyCompiler().Recipes(
                "<schema name='s'><module name='M'><param name='p' len='2'/>b</module></schema>"),
            "s/M: [] b@0");
}

TEST(Recipes, WhereTheWholeSitsDoesNotEnterTheDigest) {
  const ToyCompiler compiler;
  const auto digest = [&](const std::string& before) {
    const auto layout =
        compiler.LayoutOf("<schema name='s'>" + before + "<module name='M'>m n</module></schema>");
    EXPECT_TRUE(layout.ok());
    return layout->units.back().digest;
  };
  EXPECT_EQ(digest(""), digest("<module name='X'>x y z</module>"));
}

TEST(Recipes, EveryUnitOfALargeNestedSchemaHasAValidRecipe) {
  const ToyCompiler compiler;
  std::string schema = "<schema name='s'>r";
  for (int depth = 0; depth < 20; ++depth) {
    schema += "<module name='m" + std::to_string(depth) + "'> t <param name='p' len='2'/> u";
  }
  for (int depth = 0; depth < 20; ++depth) schema += " v</module>";
  const auto layout = compiler.LayoutOf(schema + "</schema>");
  ASSERT_TRUE(layout.ok()) << layout.status().message();
  ASSERT_EQ(layout->units.size(), 21U);
  for (const LayoutUnit& unit : layout->units) {
    const Recipe recipe = layout->RecipeOf(unit);
    EXPECT_TRUE(recipe.Validate().ok()) << recipe.Validate().message();
    EXPECT_EQ(recipe.Digest(), unit.digest);
    EXPECT_EQ(recipe.own.size(), unit.tokens);
  }
}

}  // namespace
}  // namespace promptcache::testing
