// The worked examples of PML.md, and its tables, held against the compiler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "coordinator/pml/attributes.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

std::string Document() {
  std::ifstream file(std::string(PROMPTCACHE_PML_DIRECTORY) + "/PML.md", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The insides of all blocks of this kind, in order.
std::vector<std::string> Blocks(const std::string& document, const std::string& kind) {
  const std::string open = "\n```" + kind + "\n";
  std::vector<std::string> blocks;
  for (size_t at = document.find(open); at != std::string::npos; at = document.find(open, at)) {
    at += open.size();
    const size_t end = document.find("\n```", at);
    blocks.push_back(document.substr(at, end - at));
  }
  return blocks;
}

TEST(PmlDocument, EveryWorkedExampleIsTrue) {
  const std::string document = Document();
  const auto schemas = Blocks(document, "pml-schema");
  const auto prompts = Blocks(document, "pml-prompt");
  const auto layouts = Blocks(document, "layout");
  ASSERT_GE(schemas.size(), 6U);
  ASSERT_EQ(prompts.size(), schemas.size());
  ASSERT_EQ(layouts.size(), schemas.size());
  for (size_t i = 0; i < schemas.size(); ++i) {
    SCOPED_TRACE(schemas[i]);
    const ToyCompiler compiler;
    const auto layout = compiler.LayoutOf(schemas[i]);
    ASSERT_TRUE(layout.ok()) << layout.status().message();
    const auto plan = compiler.PlanOf(*layout, prompts[i]);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ("length " + std::to_string(layout->length) + "; cached " +
                  compiler.Cached(*layout, *plan) + "; new " + compiler.Words(plan->new_tokens) +
                  "; next " + std::to_string(plan->next_position),
              layouts[i]);
  }
}

TEST(PmlDocument, NamesEveryAttribute) {
  const std::string document = Document();
  for (const AttributeRow& row : SchemaAttributes()) {
    EXPECT_THAT(document, ::testing::AnyOf(::testing::HasSubstr("`" + std::string(row.name) + "`"),
                                           ::testing::HasSubstr(std::string(row.name) + "=\"")))
        << row.element;
    for (const std::string_view choice : row.choices) {
      EXPECT_THAT(document, ::testing::HasSubstr("`" + std::string(choice) + "`"));
    }
  }
}

}  // namespace
}  // namespace promptcache::testing
