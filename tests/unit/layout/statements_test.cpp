// Statements about the language that no other test of the compiler carries by its number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text/toy_tokenizer.h"
#include "coordinator/pml/sources.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kSlotAndSchemaEncoding[] =
    "<schema name='s' encoding='schema'><module name='M'>a<param name='p' len='2'/>b</module>"
    "</schema>";

// The toy tokenizer without an unknown token, but with one that ends a text.
class EndingTokenizer : public Tokenizer {
 public:
  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    return toy_->Encode(text);
  }
  Result<std::string> TokenBytes(TokenId id) const override { return toy_->TokenBytes(id); }
  bool IsSpecial(TokenId id) const override { return toy_->IsSpecial(id); }
  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view text) const override {
    return toy_->FindSpecialPrefix(text);
  }
  std::optional<TokenId> unknown_id() const override { return std::nullopt; }
  std::vector<TokenId> end_ids() const override { return {7}; }
  uint32_t vocabulary_size() const override { return toy_->vocabulary_size(); }
  Digest256 digest() const override { return toy_->digest(); }

 private:
  const std::unique_ptr<Tokenizer> toy_ = MakeToyTokenizer();
};

TEST(Statements, S022_AFilesTextIsTheFirstAndARunOfItsOwn) {
  const ToyCompiler compiler;
  const PmlSource source("s.xml",
                         "<schema name='s'><module name='M' src='a'>b c</module></schema>");
  Diagnostics diagnostics(source);
  auto document = ParseSchema(source, {}, diagnostics);
  ASSERT_TRUE(document.has_value());
  AttachSources({{"a", "x y\n"}}, {}, *document, diagnostics);
  const auto layout = BuildLayout(*document, compiler.encoder(), {}, diagnostics);
  ASSERT_TRUE(layout.has_value()) << diagnostics.Render();
  const auto& runs = layout->containers[1].runs;
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(compiler.Words({.ids = runs[0].ids, .positions = {0, 1, 2}}), "x@0 y@1 _@2");
  EXPECT_EQ(runs[1].start, 3);
}

TEST(Statements, S077_MarkersInArgumentsAndEscapedTextAreThoseCharacters) {
  EXPECT_EQ(ToyCompiler("chatml").Run(
                "<schema name='s'>&lt;user><module name='M'><param name='p' len='1'/></module>"
                "</schema>",
                "<M p='&lt;user&gt;'/><![CDATA[<user>]]>"),
            "length 2; cached <user>@0; new <user>@1 <user>@2; next 3");
}

TEST(Statements, S034_WithoutAnUnknownTokenSlotsHoldOneThatEndsAText) {
  const EndingTokenizer tokenizer;
  const auto chat_template = *FindChatTemplate("none", "");
  const PmlSource source("s.xml", kSlotAndSchemaEncoding);
  Diagnostics diagnostics(source);
  const auto document = ParseSchema(source, {}, diagnostics);
  ASSERT_TRUE(document.has_value());
  const auto layout = BuildLayout(*document, {tokenizer, *chat_template}, {}, diagnostics);
  ASSERT_TRUE(layout.has_value()) << diagnostics.Render();
  const Recipe recipe = layout->RecipeOf(layout->units[0]);
  EXPECT_EQ(recipe.own.ids[1], 7);
  EXPECT_EQ(recipe.own.ids[2], 7);
}

TEST(Statements, S037_NewTokensAscendInPositionWhateverWasWrittenFirst) {
  const ToyCompiler compiler;
  const std::string schema =
      "<schema name='s'><module name='A'>a<param name='p' len='1'/></module>"
      "<module name='B'>b<param name='q' len='1'/></module></schema>";
  const std::string expected = "length 4; cached a@0 b@2; new x@1 y@3 t@4; next 5";
  EXPECT_EQ(compiler.Run(schema, "<A p='x'/><B q='y'/>t"), expected);
  EXPECT_EQ(compiler.Run(schema, "<B q='y'/><A p='x'/>t"), expected);
}

TEST(Statements, S064_MalformedXmlIsRefusedWithLineAndColumnAndNeverRepaired) {
  const ToyCompiler compiler;
  EXPECT_THAT(compiler.SchemaError("<schema name='s'>\n0 <= x < n</schema>"),
              HasSubstr("schema.xml:2:3: error: "));
  EXPECT_THAT(compiler.SchemaError("<schema name='s'>\na & b</schema>"),
              HasSubstr("schema.xml:2:3: error: "));
  EXPECT_THAT(compiler.SchemaError("<schema name='s'>\n<module name='A'></schema>"),
              HasSubstr("schema.xml:2:18: error: "));
}

}  // namespace
}  // namespace promptcache::testing
