#include "coordinator/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const SchemaViewer kNobody;  // of no tenant

class RegistryTest : public ::testing::Test {
 protected:
  Result<SchemaPtr> Compile(const SchemaAdd& add, const CompileOptions& options) const {
    return CompileSchema(add, compiler_.encoder(), options);
  }
  SchemaPtr Schema(const std::string& name, const std::string& text, uint64_t unix_ms = 1) const {
    const std::string document = "<schema name=\"" + name + "\">" + text + "</schema>";
    return *Compile({.document = document},
                    {.limits = {.document_bytes = 1 << 20}, .registered_unix_ms = unix_ms});
  }
  std::vector<std::string> Versions(const std::string& name) const {
    std::vector<std::string> versions;
    const auto list = registry_.List(kNobody, name);
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    if (!list.ok()) return versions;
    for (const SchemaInfo& info : *list) {
      versions.push_back(info.version + (info.current ? " current" : ""));
    }
    return versions;
  }

  ToyCompiler compiler_;
  SchemaRegistry registry_;
};

TEST_F(RegistryTest, VersionIsTheDigestOfDocumentAndOptionsAndOfNothingElse) {
  const SchemaAdd add{.file = "a.xml", .document = "<schema name=\"s\">one two three</schema>"};
  const CompileOptions options{.limits = {.document_bytes = 1 << 20}, .registered_unix_ms = 1};
  const std::string version = (*Compile(add, options))->version;
  EXPECT_EQ(version.size(), 16u);
  EXPECT_EQ(version.find_first_not_of("0123456789abcdef"), std::string::npos);

  SchemaAdd other_file = add;
  other_file.file = "b.xml";
  EXPECT_EQ((*Compile(other_file, options))->version, version);
  EXPECT_EQ(
      (*Compile(add, {.limits = {.document_bytes = 2 << 20}, .registered_unix_ms = 9}))->version,
      version);

  SchemaAdd truncated = add;
  truncated.max_tokens = 2;
  EXPECT_NE((*Compile(truncated, options))->version, version);
  SchemaAdd other_document = add;
  other_document.document += "\n";
  EXPECT_NE((*Compile(other_document, options))->version, version);
}

TEST_F(RegistryTest, BadDocumentIsRefusedWithItsFileLineAndColumn) {
  const auto schema =
      Compile({.file = "bad.xml", .document = "<schema name=\"s\">\n <nope/></schema>"},
              {.limits = {.document_bytes = 1 << 20}});
  ASSERT_FALSE(schema.ok());
  EXPECT_EQ(schema.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(schema.status().message(), HasSubstr("bad.xml:2:2"));
}

TEST_F(RegistryTest, LimitsOfSizeContextAndTruncationAreKept) {
  const SchemaAdd add{.document = "<schema name=\"s\">one two three</schema>"};
  EXPECT_THAT(Compile(add, {.limits = {.document_bytes = 10}}).status().message(), HasSubstr("10"));
  EXPECT_THAT(
      Compile(add, {.context_length = 2, .limits = {.document_bytes = 1 << 20}}).status().message(),
      HasSubstr("2"));
  SchemaAdd truncated = add;
  truncated.max_tokens = 1;
  EXPECT_THAT(Compile(truncated, {.limits = {.document_bytes = 1 << 20}}).status().message(),
              HasSubstr("max_tokens is at least 2"));
}

TEST_F(RegistryTest, LastRegistrationIsCurrentAndOlderVersionsStayFindable) {
  const auto first = Schema("s", "one", 1);
  const auto second = Schema("s", "two", 2);
  registry_.Insert(first);
  registry_.Insert(second);
  EXPECT_EQ(*registry_.Find(kNobody, "s", ""), second);
  EXPECT_EQ(*registry_.Find(kNobody, "s", first->version), first);
  EXPECT_THAT(Versions("s"), ElementsAre(first->version, second->version + " current"));
  EXPECT_EQ(registry_.size(), 1u);
}

TEST_F(RegistryTest, OrderOfInsertionDoesNotDecideWhichVersionIsCurrent) {
  const auto old = Schema("s", "one", 1);
  const auto young = Schema("s", "two", 5);
  registry_.Insert(young);
  registry_.Insert(old);
  EXPECT_EQ(*registry_.Find(kNobody, "s", ""), young);
  EXPECT_EQ(registry_.newest_unix_ms(), 5u);
}

TEST_F(RegistryTest, RegisteringAnOldVersionAgainMakesItCurrentWithoutASecondCopy) {
  registry_.Insert(Schema("s", "one", 1));
  registry_.Insert(Schema("s", "two", 2));
  const auto again = Schema("s", "one", 3);
  registry_.Insert(again);
  EXPECT_EQ(*registry_.Find(kNobody, "s", ""), again);
  EXPECT_EQ(Versions("s").size(), 2u);
}

TEST_F(RegistryTest, UnknownNameAndVersionAreNamedWithWhatThereIs) {
  EXPECT_THAT(registry_.Find(kNobody, "s", "").status().message(), HasSubstr("registered: none"));
  const auto schema = Schema("s", "one");
  registry_.Insert(schema);
  registry_.Insert(Schema("t", "one"));
  const Status name = registry_.Find(kNobody, "u", "").status();
  EXPECT_EQ(name.code(), Code::kNotFound);
  EXPECT_THAT(name.message(), HasSubstr("'u' is not registered (registered: s, t)"));
  const Status version = registry_.Find(kNobody, "s", "0123").status();
  EXPECT_EQ(version.code(), Code::kNotFound);
  EXPECT_THAT(version.message(), HasSubstr("'0123'"));
  EXPECT_THAT(version.message(), HasSubstr(schema->version));
}

TEST_F(RegistryTest, ErrorWithThousandsOfSchemasStaysShort) {
  for (int n = 0; n < 2'000; ++n) registry_.Insert(Schema("schema" + std::to_string(n), "x"));
  EXPECT_LT(registry_.Find(kNobody, "u", "").status().message().size(), 1'000u);
}

TEST_F(RegistryTest, RemovedCurrentVersionLeavesTheOneBeforeCurrent) {
  const auto first = Schema("s", "one", 1);
  const auto second = Schema("s", "two", 2);
  registry_.Insert(first);
  registry_.Insert(second);
  registry_.Remove(*second);
  EXPECT_EQ(*registry_.Find(kNobody, "s", ""), first);
  registry_.Remove(*first);
  EXPECT_EQ(registry_.Find(kNobody, "s", "").status().code(), Code::kNotFound);
  EXPECT_EQ(registry_.size(), 0u);
  registry_.Remove(*first);
}

TEST_F(RegistryTest, RemovalMeansOneVersionOrAll) {
  const auto first = Schema("s", "one", 1);
  const auto second = Schema("s", "two", 2);
  registry_.Insert(first);
  registry_.Insert(second);
  EXPECT_THAT(*registry_.Removable(kNobody, "s"), ElementsAre(first, second));
  EXPECT_THAT(*registry_.Removable(kNobody, "s@" + first->version), ElementsAre(first));
  EXPECT_EQ(registry_.Removable(kNobody, "s@nope").status().code(), Code::kNotFound);
  EXPECT_EQ(registry_.Removable(kNobody, "t").status().code(), Code::kNotFound);
}

TEST_F(RegistryTest, ListingOfAllIsWithoutDocumentsAndOfOneWithThem) {
  registry_.Insert(Schema("s", "one", 1));
  const auto second = Schema("s", "two", 2);
  registry_.Insert(second);
  registry_.Insert(Schema("t", "one two", 3));
  const auto all = *registry_.List(kNobody, "");
  ASSERT_EQ(all.size(), 3u);
  for (const SchemaInfo& info : all) EXPECT_EQ(info.document, "");
  EXPECT_EQ(all[2].name, "t");
  EXPECT_EQ(all[2].tokens, 2u);
  EXPECT_EQ(all[2].units, 1u);
  EXPECT_EQ(all[2].registered_unix_ms, 3u);
  const auto one = *registry_.List(kNobody, "s@" + second->version);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].document, "<schema name=\"s\">two</schema>");
  EXPECT_TRUE(one[0].current);
  EXPECT_EQ(registry_.List(kNobody, "u").status().code(), Code::kNotFound);
}

// ---- recipes ----

TEST_F(RegistryTest, RecipeIsFoundWhileAnyVersionHasItsUnit) {
  const auto first = Schema("s", "r<module name=\"A\">a</module>", 1);
  const auto second = Schema("s", "r<module name=\"A\">a</module><module name=\"B\">b</module>", 2);
  registry_.Insert(first);
  registry_.Insert(second);
  const RecipeDigest digest = first->layout.units[1].digest;
  ASSERT_EQ(second->layout.units[1].digest, digest);
  registry_.Remove(*second);
  EXPECT_EQ(registry_.FindRecipe(digest), first->layout.RecipeOf(first->layout.units[1]));
  EXPECT_EQ(registry_.FindRecipe(digest)->Digest(), digest);
}

TEST_F(RegistryTest, RecipeOfARemovedSchemaIsFoundAsLongAsARequestHoldsIt) {
  auto held = Schema("s", "one");
  const RecipeDigest digest = held->layout.units[0].digest;
  registry_.Insert(held);
  registry_.Remove(*held);
  EXPECT_TRUE(registry_.FindRecipe(digest));
  held.reset();
  EXPECT_FALSE(registry_.FindRecipe(digest));
}

TEST_F(RegistryTest, RecipesComeOnceEachInPartsWithWhatIsUnknown) {
  const auto schema = Schema("s", "r<module name=\"A\">a</module><module name=\"B\">b</module>");
  registry_.Insert(schema);
  std::vector<RecipeDigest> digests;
  for (const LayoutUnit& unit : schema->layout.units) digests.push_back(unit.digest);
  const RecipeDigest unknown{};
  digests.push_back(unknown);
  digests.insert(digests.end(), digests.begin(), digests.end());

  const auto whole = registry_.FindRecipes(digests, 1 << 20);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].recipes.size(), 3u);
  EXPECT_THAT(whole[0].unknown, ElementsAre(unknown));

  size_t recipes = 0;
  const auto parts = registry_.FindRecipes(digests, 1);
  EXPECT_GE(parts.size(), 3u);
  for (const RecipeReply& part : parts) recipes += part.recipes.size();
  EXPECT_EQ(recipes, 3u);
  EXPECT_EQ(registry_.FindRecipes({}, 1).size(), 1u);
}

// ---- records ----

TEST_F(RegistryTest, RecordGivesBackWhatWasRegistered) {
  const SchemaAdd add{.file = "a.xml",
                      .document = "<schema name=\"s\">\"quoted\" \\ line\n\xC3\xA4</schema>",
                      .max_tokens = 7};
  const auto schema = *Compile(
      add, {.limits = {.document_bytes = 1 << 20}, .registered_unix_ms = 1'700'000'000'123});
  EXPECT_EQ(SchemaKey(*schema), "schema/s/" + schema->version);
  const auto stored = ParseSchemaRecord(SchemaRecord(*schema));
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->add.document, add.document);
  EXPECT_EQ(stored->add.max_tokens, 7u);
  EXPECT_EQ(stored->registered_unix_ms, 1'700'000'000'123u);
}

SchemaAdd WithSources(std::vector<SourceFile> sources) {
  return {.document = "<schema name='s' src='a.txt'><module name='M' src='b/c.txt'/></schema>",
          .sources = std::move(sources)};
}

TEST_F(RegistryTest, VersionFollowsFromSourceFilesButNotFromTheirOrder) {
  const CompileOptions options{.limits = {.document_bytes = 1 << 20}};
  const auto schema = *Compile(WithSources({{"a.txt", "x"}, {"b/c.txt", "y"}}), options);
  EXPECT_EQ((*Compile(WithSources({{"b/c.txt", "y"}, {"a.txt", "x"}}), options))->version,
            schema->version);
  EXPECT_NE((*Compile(WithSources({{"a.txt", "y"}, {"b/c.txt", "x"}}), options))->version,
            schema->version);
}

TEST_F(RegistryTest, RecordGivesBackSourceFilesThatCompileToTheSameVersion) {
  const CompileOptions options{.limits = {.document_bytes = 1 << 20}};
  const auto schema = *Compile(WithSources({{"b/c.txt", "\"y\"\n"}, {"a.txt", "x"}}), options);
  const auto stored = ParseSchemaRecord(SchemaRecord(*schema));
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->add.sources, schema->sources);
  EXPECT_EQ((*Compile(stored->add, options))->version, schema->version);
}

TEST_F(RegistryTest, SourceFilesCountForTheLimitOfADocument) {
  EXPECT_THAT(Compile(WithSources({{"a.txt", std::string(2000, 'x')}, {"b/c.txt", "y"}}),
                      {.limits = {.document_bytes = 1000}})
                  .status()
                  .message(),
              HasSubstr("1000"));
}

TEST_F(RegistryTest, RecordOfTheFirstFormatHasNoSourceFiles) {
  const auto stored =
      ParseSchemaRecord(R"({"format":1,"document":"d","max_tokens":3,"registered_unix_ms":1})");
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->add.document, "d");
  EXPECT_TRUE(stored->add.sources.empty());
}

TEST_F(RegistryTest, DamagedRecordIsDataLossNotAGuess) {
  const std::string good = R"({"format":1,"document":"d","max_tokens":0,"registered_unix_ms":1})";
  ASSERT_TRUE(ParseSchemaRecord(good).ok());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_EQ(ParseSchemaRecord(good.substr(0, length)).status().code(), Code::kDataLoss);
  }
  for (
      const char* bad : {
          "[]",
          "null",
          "7",
          "\xFF\xFE",
          R"({"document":"d","max_tokens":0,"registered_unix_ms":1})",
          R"({"format":2,"document":"d","max_tokens":0,"registered_unix_ms":1})",
          R"({"format":2,"document":"d","sources":[1],"max_tokens":0,"registered_unix_ms":1})",
          R"({"format":2,"document":"d","sources":[{"path":"a"}],"max_tokens":0,"registered_unix_ms":1})",
          R"({"format":4,"document":"d","sources":[],"max_tokens":0,"registered_unix_ms":1,"tenant":"","shared":false})",
          R"({"format":3,"document":"d","sources":[],"max_tokens":0,"registered_unix_ms":1})",
          R"({"format":3,"document":"d","sources":[],"max_tokens":0,"registered_unix_ms":1,"tenant":7,"shared":false})",
          R"({"format":3,"document":"d","sources":[],"max_tokens":0,"registered_unix_ms":1,"tenant":"","shared":1})",
          R"({"format":3,"document":"d","sources":[],"max_tokens":0,"registered_unix_ms":1,"tenant":"a/b","shared":false})",
          R"({"format":1.0,"document":"d","max_tokens":0,"registered_unix_ms":1})",
          R"({"format":1,"document":7,"max_tokens":0,"registered_unix_ms":1})",
          R"({"format":1,"document":"d","max_tokens":-1,"registered_unix_ms":1})",
          R"({"format":1,"document":"d","max_tokens":4294967296,"registered_unix_ms":1})",
          R"({"format":1,"document":"d","max_tokens":"0","registered_unix_ms":1})",
          R"({"format":1,"document":"d","max_tokens":0,"registered_unix_ms":-1})",
          R"({"format":1,"document":"d","max_tokens":0,"registered_unix_ms":1e300})",
          R"({"format":1,"document":"d","max_tokens":0,"registered_unix_ms":18446744073709551615})",
      }) {
    EXPECT_EQ(ParseSchemaRecord(bad).status().code(), Code::kDataLoss) << bad;
  }
}

TEST_F(RegistryTest, DeeplyNestedRecordIsRefusedWithoutACrash) {
  EXPECT_EQ(ParseSchemaRecord(std::string(1'000'000, '[')).status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace promptcache::testing
