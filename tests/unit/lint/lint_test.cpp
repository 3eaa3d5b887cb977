// What lint warns of, and what it leaves alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/lint/lint.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kLong[] = " one two three four five six seven eight nine ten ";

// The ids of the warnings on <schema name="s" ATTRIBUTES>INSIDE</schema>.
std::vector<std::string> Warnings(const std::string& inside, const std::string& attributes = "",
                                  const LintOptions& options = {}) {
  const ToyCompiler compiler("chatml");
  const PmlSource source("s.xml", "<schema name='s'" + attributes + ">" + inside + "</schema>");
  Diagnostics diagnostics(source);
  const auto document = ParseSchema(source, {}, diagnostics);
  if (!document) return {diagnostics.Render()};
  const auto layout = BuildLayout(*document, compiler.encoder(), {}, diagnostics);
  if (!layout) return {diagnostics.Render()};
  Lint(*document, *layout, options, diagnostics);
  std::vector<std::string> ids;
  for (const Diagnostic& warning : diagnostics.warnings()) ids.push_back(warning.id);
  return ids;
}

std::string Module(const std::string& name, const std::string& text = kLong) {
  return "<module name='" + name + "'>" + text + "</module>";
}

TEST(Lint, SaysNothingOfAnOrdinarySchema) {
  EXPECT_THAT(Warnings("<system>Be kind.</system>" + Module("A") + "<union>" + Module("X") +
                       Module("Y", "1 2 3 4 5 6 7 8") + "</union><user>"),
              IsEmpty());
}

TEST(Lint, SmallModules) {
  EXPECT_THAT(Warnings("Be kind." + Module("A", "1 2 3")), ElementsAre("PML0701"));
  EXPECT_THAT(Warnings("Be kind." + Module("A", "1 2 3"), "", {.min_module_tokens = 3}), IsEmpty());
  // Only cached ones are kept.
  EXPECT_THAT(Warnings("Be kind.<module name='A' cache='false'>1</module>"), IsEmpty());
}

TEST(Lint, UnbalancedRoles) {
  EXPECT_THAT(Warnings("Be kind.</system>" + Module("A")), ElementsAre("PML0702"));
  EXPECT_THAT(Warnings("<system>Be kind." + Module("A")), ElementsAre("PML0702"));
  EXPECT_THAT(Warnings("<system/>Be kind.<user>" + Module("A")), IsEmpty());
}

TEST(Lint, RoleSequencesThatNoTemplateProduces) {
  EXPECT_THAT(Warnings("<user>a</user><system>b</system>"), ElementsAre("PML0703"));
  EXPECT_THAT(Warnings("<user>a</user><user>b</user>"), ElementsAre("PML0703"));
  EXPECT_THAT(Warnings("<assistant>a</assistant>"), ElementsAre("PML0703"));
  EXPECT_THAT(Warnings("<user>a</user><assistant>b</assistant><user>c</user>"), IsEmpty());
}

TEST(Lint, EachMemberOfAUnionFollowsWhatIsBeforeTheUnion) {
  EXPECT_THAT(
      Warnings("<system>Be kind.</system><union>" + Module("A", kLong + std::string("<user>")) +
               Module("B", "<user>1 2 3 4 5 6 7 8 9") + "</union>q</user>"),
      IsEmpty());
}

TEST(Lint, EmptyModules) {
  EXPECT_THAT(Warnings("Be kind.<module name='A'/>"), ElementsAre("PML0704"));
  EXPECT_THAT(Warnings("Be kind.<module name='A'><module name='B'>" + std::string(kLong) +
                       "</module></module>"),
              IsEmpty());
}

TEST(Lint, NamesThatAreEasilyMistaken) {
  EXPECT_THAT(Warnings("Be kind." + Module("a") + Module("A")), ElementsAre("PML0705"));
  EXPECT_THAT(Warnings("Be kind." + Module("A", kLong + Module("A"))), ElementsAre("PML0705"));
  EXPECT_THAT(Warnings("Be kind." + Module("M", "<param name='p' len='2'/>" + Module("p") + kLong)),
              ElementsAre("PML0705"));
}

TEST(Lint, MembersThatDifferByWhiteSpaceOnly) {
  EXPECT_THAT(Warnings("Be kind.<union>" + Module("A", "1 2 3 4 5 6 7 8") +
                       Module("B", "\n 1 2  3 4 5 6 7 8 ") + "</union>"),
              ElementsAre("PML0706"));
  EXPECT_THAT(Warnings("Be kind.<union>" + Module("A", "1 2 3 4 5 6 7 8") +
                       Module("B", "1 2 3 4 5 6 7 9") + "</union>"),
              IsEmpty());
}

TEST(Lint, ScaffoldsThatNearlyFillTheirSlot) {
  const auto with = [](const std::string& length) {
    return "Be kind." + Module("M", kLong + ("<param name='p' len='" + length +
                                             "' scaffold='a b c d e f g h i'/>"));
  };
  EXPECT_THAT(Warnings(with("10")), ElementsAre("PML0707"));
  EXPECT_THAT(Warnings(with("11")), IsEmpty());
}

TEST(Lint, PositionsThatUnionsWaste) {
  std::string many;
  for (int i = 0; i < 80; ++i) many += "w" + std::to_string(i) + " ";
  const std::string inside = "Be kind.<union>" + Module("A", many) + Module("B") + "</union>";
  EXPECT_THAT(Warnings(inside), ElementsAre("PML0708"));
  EXPECT_THAT(Warnings(inside, " positions='packed'"), IsEmpty());
}

TEST(Lint, NoTextInFrontOfTheFirstModule) {
  EXPECT_THAT(Warnings(Module("A") + "text"), ElementsAre("PML0709"));
  EXPECT_THAT(Warnings("\n  " + Module("A")), ElementsAre("PML0709"));
  EXPECT_THAT(Warnings(Module("A"), " encoding='independent'"), IsEmpty());
}

TEST(Lint, SchemasCloseToTheContext) {
  EXPECT_THAT(Warnings("1 2 3 4 5 6 7 8 9", "", {.context_length = 10}), ElementsAre("PML0710"));
  EXPECT_THAT(Warnings("1 2 3 4 5 6 7 8", "", {.context_length = 10}), IsEmpty());
  EXPECT_THAT(Warnings("1 2 3 4 5 6 7 8 9", " positions='packed'", {.context_length = 10}),
              IsEmpty());
}

}  // namespace
}  // namespace promptcache::testing
