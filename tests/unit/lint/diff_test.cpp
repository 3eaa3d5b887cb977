// What an edit invalidates, and why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/lint/diff.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

constexpr char kBefore[] =
    "r<module name='A'>a1 a2<module name='X'>x</module></module><module name='B'>b</module>";

// "s kept; s/A changed": the units by path with what became of them.
std::string Diff(const std::string& before, const std::string& after,
                 const std::string& attributes = "") {
  const ToyCompiler compiler;
  const auto layout = [&](const std::string& inside) {
    auto made = compiler.LayoutOf("<schema name='s'" + attributes + ">" + inside + "</schema>");
    EXPECT_TRUE(made.ok()) << made.status().message();
    return *std::move(made);
  };
  std::string out;
  for (const UnitDiff& diff : DiffUnits(layout(before), layout(after))) {
    out += (out.empty() ? "" : "; ") + diff.path + " " + std::string(UnitChangeName(diff.change));
  }
  return out;
}

TEST(SchemaDiff, NothingChangesWithoutAnEdit) {
  EXPECT_EQ(Diff(kBefore, kBefore), "s kept; s/A kept; s/A/X kept; s/B kept");
}

TEST(SchemaDiff, AnEditOfEqualLengthChangesTheUnitAndTheContextOfWhatIsInside) {
  EXPECT_EQ(Diff(kBefore,
                 "r<module name='A'>a1 zz<module name='X'>x</module></module>"
                 "<module name='B'>b</module>"),
            "s kept; s/A changed; s/A/X context; s/B kept");
}

TEST(SchemaDiff, AnEditOfAnotherLengthMovesWhatFollows) {
  EXPECT_EQ(Diff(kBefore,
                 "r<module name='A'>a1 a2 a3<module name='X'>x</module></module>"
                 "<module name='B'>b</module>"),
            "s kept; s/A changed; s/A/X context; s/B moved");
}

TEST(SchemaDiff, UnderPackedNothingElsewhereMoves) {
  EXPECT_EQ(Diff(kBefore,
                 "r<module name='A'>a1 a2 a3<module name='X'>x</module></module>"
                 "<module name='B'>b</module>",
                 " positions='packed'"),
            "s kept; s/A changed; s/A/X context; s/B kept");
}

TEST(SchemaDiff, TextInFrontOfAllIsTheContextOfAll) {
  EXPECT_EQ(Diff(kBefore, std::string("z") + (kBefore + 1)),
            "s changed; s/A context; s/A/X context; s/B context");
}

TEST(SchemaDiff, NamesWhatIsNewAndWhatIsGone) {
  EXPECT_EQ(Diff("r<module name='A'>a</module>", "r<module name='B'>b c</module>"),
            "s kept; s/B added; s/A removed");
}

TEST(SchemaDiff, ARenamedModuleKeepsItsRecipe) {
  EXPECT_EQ(Diff("r<module name='A'>a</module>", "r<module name='B'>a</module>"),
            "s kept; s/B kept; s/A removed");
}

TEST(SchemaDiff, CountsSharedContextOnce) {
  const ToyCompiler compiler;
  const auto before = compiler.LayoutOf(
      "<schema name='s'>r1 r2<module name='A'>a</module>"
      "<module name='B'>b</module></schema>");
  const auto after = compiler.LayoutOf(
      "<schema name='s'>r1 r2<module name='A'>x</module>"
      "<module name='B'>y</module></schema>");
  EXPECT_EQ(EncodeTokens(DiffUnits(*before, *after)), 4U);
  EXPECT_EQ(EncodeTokens(DiffUnits(*before, *before)), 0U);
}

}  // namespace
}  // namespace promptcache::testing
