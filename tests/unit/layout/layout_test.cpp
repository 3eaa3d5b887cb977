#include "coordinator/layout/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kTwo[] =
    R"(<schema name="s">r<module name="A">a1 a2</module><module name="B">b1</module>t</schema>)";
constexpr char kUnion[] =
    R"(<schema name="s">r<union><module name="A">1 2 3</module><module name="B">4</module></union>t</schema>)";

class Layouts : public ::testing::Test {
 protected:
  Layout Of(const std::string& schema, const LayoutOptions& options = {}) {
    auto layout = compiler_.LayoutOf(schema, options);
    if (!layout.ok()) {
      ADD_FAILURE() << layout.status().message();
      return {};
    }
    return *std::move(layout);
  }
  // Start of the container with this path.
  Position Start(const Layout& layout, const std::string& path) {
    for (const LayoutContainer& container : layout.containers) {
      if (container.path == path) return container.start;
    }
    ADD_FAILURE() << "no " << path;
    return -1;
  }
  ToyCompiler compiler_;
};

TEST_F(Layouts, S001_ModulesStandWhereTheTextBeforeThemEnds) {
  const Layout layout = Of(kTwo);
  EXPECT_EQ(layout.length, 5);
  EXPECT_EQ(Start(layout, "s/A"), 1);
  EXPECT_EQ(Start(layout, "s/B"), 3);
  ASSERT_EQ(layout.containers[0].runs.size(), 2U);
  EXPECT_EQ(layout.containers[0].runs[1].start, 4);
}

TEST_F(Layouts, S007_FiftyAndSixtyTokensPutTheThirdModuleAt110) {
  std::string fifty;
  std::string sixty;
  for (int i = 0; i < 50; ++i) fifty += (i ? " w" : "w") + std::to_string(i);
  for (int i = 0; i < 60; ++i) sixty += (i ? " w" : "w") + std::to_string(i);
  const Layout layout =
      Of("<schema name='s'><module name='a'>" + fifty + "</module><module name='b'>" + sixty +
         "</module><module name='c'>x</module></schema>");
  EXPECT_EQ(Start(layout, "s/c"), 110);
}

TEST_F(Layouts, S008_UnionMembersShareTheirStartAndTheLongestCounts) {
  const Layout layout = Of(kUnion);
  EXPECT_EQ(Start(layout, "s/A"), 1);
  EXPECT_EQ(Start(layout, "s/B"), 1);
  EXPECT_EQ(layout.containers[0].runs[1].start, 4);
  EXPECT_EQ(layout.length, 5);
}

TEST_F(Layouts, S012_AnEmptyUnionHasLengthZero) {
  EXPECT_EQ(Of("<schema name='s'>a<union/>b</schema>").length, 2);
  EXPECT_EQ(Of("<schema name='s'>a<union> <!-- c --> </union>b</schema>").length, 2);
}

TEST_F(Layouts, S018_WhiteSpaceBetweenTagsIsOneTokenWithItsOwnPosition) {
  const Layout layout =
      Of("<schema name=\"s\">\n  <module name=\"A\">a</module>\n  <module name=\"B\">\n   b\n  "
         "</module>\n</schema>");
  EXPECT_EQ(layout.length, 7);
  EXPECT_EQ(Start(layout, "s/A"), 1);
  EXPECT_EQ(Start(layout, "s/B"), 3);
}

TEST_F(Layouts, S019_EdgesBecomeOneSpaceAndInnerWhiteSpaceStays) {
  EXPECT_EQ(compiler_.Recipes("<schema name='s'>\n\n  a  \n b \t </schema>"),
            "s: [] _@0 a@1 b@2 _@3");
}

TEST_F(Layouts, S020_BlankTextIsOneSpaceAndEmptyTextNothing) {
  EXPECT_EQ(Of("<schema name='s'>\n\t </schema>").length, 1);
  EXPECT_EQ(Of("<schema name='s'></schema>").length, 0);
  EXPECT_TRUE(Of("<schema name='s'></schema>").units.empty());
}

TEST_F(Layouts, S021_IndentDropsBlankTextWithALineBreakOnly) {
  const std::string inside =
      ">\n  <module name='A'>a</module> <module name='B'>\n b\n</module>\n</schema>";
  EXPECT_EQ(compiler_.Recipes("<schema name='s' whitespace='indent'" + inside),
            "s: [] _@0; s/A: [] a@0; s/B: [_@-1] _@0 b@1 _@2");
  EXPECT_EQ(Of("<schema name='s' whitespace='indent'" + inside).length, 5);
  EXPECT_EQ(Of("<schema name='s'" + inside).length, 7);
}

TEST_F(Layouts, S024_ALengthOverTheContextNamesBothNumbers) {
  const auto layout = compiler_.LayoutOf(kTwo, {.context_length = 4});
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(layout.status().message(), HasSubstr("takes 5 positions"));
  EXPECT_THAT(layout.status().message(), HasSubstr("has 4"));
  EXPECT_TRUE(compiler_.LayoutOf(kTwo, {.context_length = 5}).ok());
}

TEST_F(Layouts, S090_TruncationKeepsHeadAndTailOfLongTextOnly) {
  const auto words = [&](const std::string& text, uint32_t max_tokens) {
    const Layout layout = Of("<schema name='s'>" + text + "</schema>", {.max_tokens = max_tokens});
    return compiler_.Words(layout.RecipeOf(layout.units.at(0)).own);
  };
  EXPECT_EQ(words("a b c d e f g", 4), "a@0 b@1 f@2 g@3");
  EXPECT_EQ(words("a b c d e f g", 5), "a@0 b@1 e@2 f@3 g@4");
  EXPECT_EQ(words("a b c d e f g", 2), "a@0 g@1");
  EXPECT_EQ(words("a b c", 3), "a@0 b@1 c@2");
  EXPECT_EQ(words("a b c", 10), "a@0 b@1 c@2");
}

TEST_F(Layouts, TruncationAppliesToEachTextByItself) {
  const Layout layout =
      Of("<schema name='s'>a b c<module name='A'>d e f</module></schema>", {.max_tokens = 2});
  EXPECT_EQ(layout.length, 4);
}

TEST_F(Layouts, S041_ParametersTakeTheirLengthUnderBothNames) {
  for (const char* param : {"<param name='p' len='3'/>", "<parameter name='p' length='3'/>",
                            "<param name='p' "
                            "length='3'> <!-- c --> </param>"}) {
    const Layout layout =
        Of(std::string("<schema name='s'><module name='M'>a") + param + "b</module></schema>");
    EXPECT_EQ(layout.length, 5) << param;
    ASSERT_EQ(layout.containers[1].params.size(), 1U) << param;
    EXPECT_EQ(layout.containers[1].params[0].start, 1) << param;
    EXPECT_EQ(layout.containers[1].params[0].length, 3U) << param;
  }
}

TEST_F(Layouts, S065_CDataIsVerbatim) {
  EXPECT_EQ(compiler_.Recipes("<schema name='s'><![CDATA[ <user> & a ]]></schema>"),
            "s: [] _@0 <user>@1 &@2 a@3 _@4");
}

TEST_F(Layouts, CommentsDoNotSplitText) {
  EXPECT_EQ(compiler_.Recipes("<schema name='s'>a<!-- c -->b <!----> <!-- --> c</schema>"),
            "s: [] ab@0 c@1");
  EXPECT_EQ(Of("<schema name='s'> <!-- c --> </schema>").length, 1);
}

TEST_F(Layouts, UnitsExistForContainersWithTokensOnly) {
  const Layout layout =
      Of("<schema name='s'><module name='A'><module name='B'>b</module></module><module "
         "name='C'><param name='p' len='2'/></module></schema>");
  ASSERT_EQ(layout.units.size(), 1U);
  EXPECT_EQ(layout.containers[layout.units[0].container].path, "s/A/B");
  EXPECT_EQ(layout.length, 3);
}

TEST_F(Layouts, UncachedModulesHaveNoUnitButPositions) {
  const Layout layout =
      Of("<schema name='s'>r<module name='A' cache='false'>a<module name='B'>b</module></module>t"
         "</schema>");
  ASSERT_EQ(layout.units.size(), 1U);
  EXPECT_EQ(layout.length, 4);
  EXPECT_EQ(compiler_.Words(layout.RecipeOf(layout.units[0]).own), "r@0 t@3");
}

TEST_F(Layouts, WhiteSpaceIsThatOfUnicode) {
  // No-break space and ideographic space at the edges.
  EXPECT_EQ(compiler_.Recipes("<schema name='s'>\u00a0\u3000a\u00a0</schema>"),
            "s: [] _@0 a@1 _@2");
}

TEST_F(Layouts, VerbatimWhiteSpaceEndsCompaction) {
  // T0 gives "_" for any white space at an edge, so what is kept shows in the token text only when
  // the edge is not white space: count through blankness instead.
  EXPECT_EQ(Of("<schema name='s' whitespace='indent'>\n&#10;\n</schema>").length, 1);
  EXPECT_EQ(Of("<schema name='s' whitespace='indent'>\n\n\n</schema>").length, 0);
  EXPECT_EQ(Of("<schema name='s' whitespace='indent'>\n<![CDATA[]]>\n</schema>").length, 1);
}

}  // namespace
}  // namespace promptcache::testing
