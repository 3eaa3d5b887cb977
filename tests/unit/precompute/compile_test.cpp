#include "tools/precompute/compile.h"

#include <gmock/gmock.h>

#include "coordinator/registry/registry.h"
#include "tests/unit/precompute/precompute_fixture.h"
#include "tools/cli/offline_schema.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

using Compiling = PrecomputeTest;

constexpr char kDesk[] =
    R"(<schema name="desk">be kind<module name="greet">dear <param name="who" length="3"/> hello)"
    R"(<module name="bye">see you</module></module></schema>)";

std::vector<RecipeDigest> DigestsOf(const Layout& layout) {
  std::vector<RecipeDigest> digests;
  for (const LayoutUnit& unit : layout.units) digests.push_back(unit.digest);
  return digests;
}

TEST_F(Compiling, NameAndVersionAreThoseOfARegistration) {
  ManifestSchema entry = Write("desk.xml", kDesk);
  entry.max_tokens = 2;
  const ServedModel model = ToyModel();
  SchemaAdd add = ReadSchemaAdd({.file = entry.file}).value();
  add.max_tokens = 2;
  const SchemaPtr registered =
      CompileSchema(add, {*model.tokenizer, *model.chat_template}, {}).value();
  const auto compiled = Compile({entry});
  ASSERT_EQ(compiled.size(), 1U);
  EXPECT_EQ(compiled[0].name, "desk");
  EXPECT_EQ(compiled[0].version, registered->version);
  EXPECT_EQ(DigestsOf(*compiled[0].layout), DigestsOf(registered->layout));
}

TEST_F(Compiling, EncodingsAndPositionsAreCombined) {
  ManifestSchema entry = Write("desk.xml", kDesk);
  entry.encodings = {EncodingMode::kIndependent, EncodingMode::kAnchored};
  entry.positions = {Positions::kSchema, Positions::kPacked};
  const auto compiled = Compile({entry});
  ASSERT_EQ(compiled.size(), 4U);
  EXPECT_EQ(compiled[1].layout->encoding, EncodingMode::kIndependent);
  EXPECT_EQ(compiled[1].layout->positions, Positions::kPacked);
  EXPECT_EQ(compiled[2].layout->encoding, EncodingMode::kAnchored);
  EXPECT_EQ(compiled[2].layout->positions, Positions::kSchema);
  for (const CompiledSchema& one : compiled) EXPECT_EQ(one.version, compiled[0].version);
}

TEST_F(Compiling, AVariantHasTheUnitsOfTheDocumentThatSaysSo) {
  ManifestSchema entry = Write("desk.xml", kDesk);
  entry.encodings = {EncodingMode::kSchema};
  entry.positions = {Positions::kPacked};
  entry.scaffolds = {{"greet/who", "my friend"}};
  const auto variant = Compile({entry});
  const auto written = CompileText(
      R"(<schema name="desk" encoding="schema" positions="packed">be kind<module name="greet">)"
      R"(dear <param name="who" length="3" scaffold="my friend"/> hello)"
      R"(<module name="bye">see you</module></module></schema>)");
  EXPECT_EQ(DigestsOf(*variant[0].layout), DigestsOf(*written[0].layout));
  EXPECT_NE(DigestsOf(*variant[0].layout), DigestsOf(*CompileText(kDesk)[0].layout));
}

TEST_F(Compiling, AParameterThatIsNotThereIsNamed) {
  for (const char* path : {"who", "greet/name", "greet/bye/who", "gone/who"}) {
    ManifestSchema entry = Write("desk.xml", kDesk);
    entry.scaffolds = {{path, "Ada"}};
    const Status status = CompileVariants(entry, ToyModel()).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("no parameter '" + std::string(path) + "'"));
  }
}

TEST_F(Compiling, ATextThatDoesNotFitItsSlotIsAnError) {
  ManifestSchema entry = Write("desk.xml", kDesk);
  entry.scaffolds = {{"greet/who", "one two three four"}};
  const Status status = CompileVariants(entry, ToyModel()).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("as the manifest changes it"));
}

TEST_F(Compiling, AParameterOfAUnionsMemberIsFound) {
  ManifestSchema entry =
      Write("u.xml",
            R"(<schema name="u"><union><module name="a">x <param name="p" length="2"/> y</module>)"
            R"(<module name="b">z</module></union></schema>)");
  entry.scaffolds = {{"a/p", "k"}};
  EXPECT_TRUE(CompileVariants(entry, ToyModel()).ok());
}

TEST_F(Compiling, TheExampleCompiles) {
  const auto manifest =
      ReadManifest(std::string(PROMPTCACHE_PML_DIRECTORY) + "/examples/precompute.toml");
  ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
  EXPECT_EQ(Compile(manifest->schemas).size(), 4U);
}

TEST_F(Compiling, ABrokenDocumentIsToldLikeACompiler) {
  const Status status = CompileVariants(Write("x.xml", "<schema>"), ToyModel()).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("x.xml:1:"));
}

}  // namespace
}  // namespace promptcache::testing
