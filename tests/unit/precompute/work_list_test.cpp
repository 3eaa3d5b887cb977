#include "tools/precompute/work_list.h"

#include <gmock/gmock.h>

#include <set>

#include "cachestore/format/blob_io.h"
#include "tests/unit/precompute/precompute_fixture.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;

using WorkList = PrecomputeTest;

std::string Words(size_t count, const std::string& word) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += word + std::to_string(i) + " ";
  return text;
}

std::string Module(const std::string& name, const std::string& inside) {
  return "<module name=\"" + name + "\">" + inside + "</module>";
}

TEST_F(WorkList, ModulesFollowTheirContainerLongestFirstWithAllThatIsInThem) {
  EXPECT_THAT(ModulesOf(ListText("<schema name=\"s\" whitespace=\"indent\">root" +
                                 Module("short", Words(3, "a")) +
                                 Module("deep", "x" + Module("in", Words(9, "b"))) +
                                 Module("long", Words(8, "c")) + "</schema>")),
              ElementsAre("s", "s/deep", "s/deep/in", "s/long", "s/short"));
}

TEST_F(WorkList, ModulesThatSeeEachOtherKeepTheirOrder) {
  EXPECT_THAT(ModulesOf(ListText("<schema name=\"s\" encoding=\"schema\">root" +
                                 Module("short", Words(3, "a")) + Module("long", Words(8, "b")) +
                                 "</schema>")),
              ElementsAre("s", "s/short", "s/long"));
}

TEST_F(WorkList, TheLongestSchemaComesFirst) {
  const auto compiled =
      Compile({Write("a.xml", "<schema name=\"a\">one</schema>"),
               Write("b.xml", "<schema name=\"b\">" + Words(5, "w") + "</schema>")});
  EXPECT_THAT(ModulesOf(ListUnits(compiled, ToyFormat()).value()), ElementsAre("b", "a"));
}

TEST_F(WorkList, SetsAreUnitsAndUncachedModulesAreNone) {
  EXPECT_THAT(ModulesOf(ListText("<schema name=\"s\">r<module name=\"a\">k l</module>"
                                 "<module name=\"b\">m</module>"
                                 "<module name=\"c\" cache=\"false\">n o p</module>"
                                 "<scaffold modules=\"a b\"/></schema>")),
              ElementsAre("s", "s/{a b}", "s/a", "s/b"));
}

TEST_F(WorkList, ARecipeThatTwoSchemasHaveIsOneUnitWithTwoUsers) {
  const std::string common = Module("m", "same words");
  const auto compiled = Compile(
      {Write("a.xml", "<schema name=\"a\">root" + common + Module("n", "other") + "</schema>"),
       Write("b.xml", "<schema name=\"b\" ttl=\"1h\">root" + common + "</schema>")});
  const auto units = ListUnits(compiled, ToyFormat()).value();
  ASSERT_THAT(ModulesOf(units), ElementsAre("a", "a/m", "a/n"));
  EXPECT_THAT(units[1].schemas, ElementsAre(0, 1));
  EXPECT_THAT(
      units[1].imports,
      ElementsAre(Import{{.schema = "a", .version = compiled[0].version, .module = "a/m"}, {}},
                  Import{{.schema = "b", .version = compiled[1].version, .module = "b/m"},
                         {.ttl_ms = 3'600'000}}));
}

TEST_F(WorkList, VariantsOfADocumentAreOneUser) {
  ManifestSchema entry = Write("a.xml", "<schema name=\"a\">root</schema>");
  entry.positions = {Positions::kSchema, Positions::kPacked};
  const auto compiled = Compile({entry});
  const auto units = ListUnits(compiled, ToyFormat()).value();
  ASSERT_EQ(units.size(), 1U);
  EXPECT_THAT(units[0].schemas, ElementsAre(0, 1));
  EXPECT_EQ(units[0].imports.size(), 1U);
}

TEST_F(WorkList, KeysFollowFromTheIdentity) {
  const auto compiled = CompileText("<schema name=\"s\">root</schema>");
  UnitFormat other = ToyFormat();
  other.identity.weights = "others";
  const auto here = ListUnits(compiled, ToyFormat()).value();
  EXPECT_EQ(here[0].key,
            MakeUnitKey(ToyFormat().identity.Digest(), 0, here[0].MakeRecipe().Digest()));
  EXPECT_NE(here[0].key, ListUnits(compiled, other).value()[0].key);
}

TEST_F(WorkList, BytesAreThoseOfTheBlob) {
  for (const WorkUnit& unit :
       ListText("<schema name=\"s\">" + Words(700, "w") + Module("m", "a b") + "</schema>")) {
    const UnitFormat format = ToyFormat();
    BlobHeader header{.identity = format.identity,
                      .recipe = unit.MakeRecipe(),
                      .dtype = format.dtype,
                      .shape = {format.layers, format.kv_heads, unit.rows, format.head_dim}};
    const std::vector<uint8_t> layer(BlobSegmentBytes(header.dtype, header.shape).value());
    const std::vector<std::span<const uint8_t>> layers(format.layers, layer);
    EXPECT_EQ(unit.bytes, AssembleBlob(header, layers).value().size());
  }
}

TEST_F(WorkList, HiddenTokensAreRunAndNotStored) {
  const auto units = ListText(
      "<schema name=\"s\"><module name=\"m\">a b"
      "<param name=\"p\" length=\"4\" scaffold=\"x y z\"/>c d</module></schema>");
  ASSERT_EQ(units.size(), 1U);
  EXPECT_EQ(units[0].own_tokens, units[0].rows + 3);
}

TEST_F(WorkList, AContextIsRunOnceForAllUnitsBehindIt) {
  std::string text = "<schema name=\"s\" encoding=\"schema\">" + Words(2000, "r");
  for (int i = 0; i < 40; ++i) {
    text += Module("m" + std::to_string(i), Words(50, "w" + std::to_string(i) + "x"));
  }
  uint64_t contexts = 0;
  const auto units = ListText(text + "</schema>");
  for (const WorkUnit& unit : units) contexts += unit.new_context;
  // Each module sees the root and all modules before it: 2000 and up to 1950 tokens, which are run
  // once, and for each unit again what lies behind the last cut of a context.
  EXPECT_GE(contexts, 3950U);
  EXPECT_LE(contexts, 3950U + 256 * units.size());
}

TEST_F(WorkList, SchemasDoNotDisplaceEachOthersContexts) {
  std::vector<ManifestSchema> files;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "s" + std::to_string(i);
    std::string text = "<schema name=\"" + name + "\">" + Words(600, name + "r");
    for (size_t m = 1; m <= 5; ++m) text += Module("m" + std::to_string(m), Words(10 * m, name));
    files.push_back(Write(name + ".xml", text + "</schema>"));
  }
  uint64_t contexts = 0;
  const auto units = ListUnits(Compile(files), ToyFormat()).value();
  for (const WorkUnit& unit : units) contexts += unit.new_context;
  EXPECT_EQ(contexts, 6 * 601U);  // with the space before the first module
}

class Shards : public PrecomputeTest {
 protected:
  static uint64_t TokensOf(const std::vector<WorkUnit>& units) {
    uint64_t tokens = 0;
    for (const WorkUnit& unit : units) tokens += unit.run_tokens();
    return tokens;
  }
  std::vector<WorkUnit> Units() const {
    std::string text = "<schema name=\"s\">" + Words(100, "r");
    for (size_t i = 0; i < 30; ++i) {
      text +=
          Module("m" + std::to_string(i), Words(5 + 7 * (i % 11), "w" + std::to_string(i) + "x"));
    }
    return ListText(text + "</schema>");
  }
};

TEST_F(Shards, EveryUnitIsInExactlyOne) {
  const std::vector<WorkUnit> units = Units();
  for (const uint32_t parts : {1U, 2U, 3U, 8U, 100U}) {
    std::multiset<UnitKey> seen;
    for (uint32_t part = 1; part <= parts; ++part) {
      for (const WorkUnit& unit : TakeShard(units, {part, parts})) seen.insert(unit.key);
    }
    EXPECT_EQ(seen.size(), units.size());
    EXPECT_EQ(std::set<UnitKey>(seen.begin(), seen.end()).size(), units.size());
  }
}

TEST_F(Shards, HaveAsMuchToRunButForOneUnit) {
  const std::vector<WorkUnit> units = Units();
  uint64_t longest = 0;
  for (const WorkUnit& unit : units) longest = std::max(longest, unit.run_tokens());
  for (const uint32_t parts : {2U, 3U, 8U}) {
    const uint64_t fair = TokensOf(units) / parts;
    for (uint32_t part = 1; part <= parts; ++part) {
      const uint64_t tokens = TokensOf(TakeShard(units, {part, parts}));
      EXPECT_LE(tokens, fair + longest);
      EXPECT_GE(tokens + longest, fair);
    }
  }
}

TEST_F(Shards, OfNothingAreEmpty) {
  EXPECT_TRUE(TakeShard({}, {1, 1}).empty());
  EXPECT_TRUE(TakeShard({}, {3, 8}).empty());
}

}  // namespace
}  // namespace promptcache::testing
