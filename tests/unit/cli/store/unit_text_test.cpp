#include "tools/cli/store/unit_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cachestore/memory/memory_store.h"
#include "common/text/toy_tokenizer.h"
#include "tests/unit/cli/store/named_blobs.h"

namespace promptcache::testing {
namespace {

class UnitText : public ::testing::Test {
 protected:
  void Register(const std::string& document, const nlohmann::json& sources) {
    const nlohmann::json record = {{"format", 2},
                                   {"document", document},
                                   {"sources", sources},
                                   {"max_tokens", 0},
                                   {"registered_unix_ms", 1}};
    ASSERT_TRUE(meta_.CompareAndSet("schema/desk/0123456789abcdef", 0, record.dump()).ok());
  }
  std::optional<std::string> TextOf(const std::string& module) {
    return TextInSchema(meta_, ReferenceTo(module)).value();
  }

  MemoryMetaStore meta_;
};

TEST_F(UnitText, IsTheModulesOwnAndNoChilds) {
  Register(
      "<schema name=\"desk\">Root.<module name=\"a\">One<module name=\"b\">inner</module>two"
      "</module><union><module name=\"c\">Choice &amp; more</module>"
      "<module name=\"d\" src=\"faq.txt\"/></union></schema>",
      {{{"path", "faq.txt"}, {"text", "From a file"}}});
  EXPECT_EQ(TextOf("desk"), "Root.");
  EXPECT_EQ(TextOf("desk/a"), "Onetwo");
  EXPECT_EQ(TextOf("desk/a/b"), "inner");
  EXPECT_EQ(TextOf("desk/c"), "Choice & more");
  EXPECT_EQ(TextOf("desk/d"), "From a file");
  EXPECT_EQ(TextOf("desk/e"), std::nullopt);
}

TEST_F(UnitText, IsAbsentWithoutTheSchema) { EXPECT_EQ(TextOf("desk/a"), std::nullopt); }

TEST_F(UnitText, ComesFromTokensToo) {
  const auto tokenizer = MakeToyTokenizer();
  const auto ids = tokenizer->Encode("two words");
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(ids->size(), 2U);
  EXPECT_EQ(TextOfTokens(*tokenizer, *ids).value(), "twowords");  // of this tokenizer no spaces
}

}  // namespace
}  // namespace promptcache::testing
