// Every limit has an error of its own that names the limit; a document at the limit passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/pml/parsed.h"

namespace promptcache {
namespace {

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// Ids of the errors of a schema under `limits`.
std::vector<std::string> Errors(const std::string& schema, const PmlLimits& limits) {
  std::vector<std::string> ids = testing::SchemaErrors(schema, limits);
  for (std::string& id : ids) id.resize(id.find(' '));
  return ids;
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Modules(size_t count) {
  std::string schema = "<schema name='s'>";
  for (size_t i = 0; i < count; ++i) {
    schema += "<module name='m" + std::to_string(i) + "'>x</module>";
  }
  return schema + "</schema>";
}

TEST(Limits, Elements) {
  EXPECT_THAT(Errors(Modules(4), {.elements = 5}), IsEmpty());
  EXPECT_THAT(Errors(Modules(5), {.elements = 5}), ElementsAre("PML0122"));
}

TEST(Limits, Depth) {
  const auto nested = [](size_t depth) {
    return "<schema name='s'>" + Repeat("<module name='m'>", depth - 1) +
           Repeat("</module>", depth - 1) + "</schema>";
  };
  EXPECT_THAT(Errors(nested(3), {.depth = 3}), IsEmpty());
  EXPECT_THAT(Errors(nested(4), {.depth = 3}), ElementsAre("PML0121"));
}

TEST(Limits, DocumentBytes) {
  const std::string schema = "<schema name='s'>text</schema>";
  EXPECT_THAT(Errors(schema, {.document_bytes = schema.size()}), IsEmpty());
  EXPECT_THAT(Errors(schema, {.document_bytes = schema.size() - 1}), ElementsAre("PML0120"));
}

TEST(Limits, AttributesOfAnElement) {
  EXPECT_THAT(Errors("<schema name='s' a='' b=''/>", {.attributes = 2}), ElementsAre("PML0123"));
}

TEST(Limits, AttributeValue) {
  EXPECT_THAT(Errors("<schema name='s' description='12345'/>", {.attribute_bytes = 5}), IsEmpty());
  EXPECT_THAT(Errors("<schema name='s' description='123456'/>", {.attribute_bytes = 5}),
              ElementsAre("PML0125"));
}

TEST(Limits, NamesOfElementsAndAttributes) {
  EXPECT_THAT(Errors("<schema name='s'/>", {.name_bytes = 6}), IsEmpty());
  EXPECT_THAT(Errors("<schema name='s'/>", {.name_bytes = 5}), ElementsAre("PML0124"));
}

TEST(Limits, GivenNames) {
  EXPECT_THAT(Errors("<schema name='" + std::string(257, 'a') + "'/>", {}), ElementsAre("PML0208"));
  EXPECT_THAT(Errors("<schema name='" + std::string(256, 'a') + "'/>", {}), IsEmpty());
}

TEST(Limits, Units) {
  EXPECT_THAT(Errors(Modules(3), {.units = 4}), IsEmpty());
  EXPECT_THAT(Errors(Modules(4), {.units = 4}), ElementsAre("PML0230"));
}

TEST(Limits, PathOfAModule) {
  const std::string schema =
      "<schema name='s'>\n<module name='abc'>\n<module name='d'><module name='e'/></module>\n"
      "<union><module name='fg'/></union></module></schema>";
  EXPECT_THAT(testing::SchemaErrors(schema, {.path_bytes = 9}), IsEmpty());
  EXPECT_THAT(testing::SchemaErrors(schema, {.path_bytes = 8}), ElementsAre("PML0231 3:18"));
  // What is inside a module that was refused is not refused once more.
  EXPECT_THAT(testing::SchemaErrors(schema, {.path_bytes = 4}), ElementsAre("PML0231 2:1"));
}

TEST(Limits, PathOfASet) {
  const std::string schema =
      "<schema name='s'><module name='a'/><module name='b'/>\n<scaffold modules='a b'/></schema>";
  EXPECT_THAT(testing::SchemaErrors(schema, {.path_bytes = 7}), IsEmpty());  // "s/{a b}"
  EXPECT_THAT(testing::SchemaErrors(schema, {.path_bytes = 6}), ElementsAre("PML0231 2:1"));
}

TEST(Limits, AllPathsTogether) {
  const std::string schema =
      "<schema name='s'>\n<module name='a'/>\n<module name='b'/>\n<scaffold modules='a b'/>\n"
      "</schema>";
  EXPECT_THAT(testing::SchemaErrors(schema, {.all_path_bytes = 14}), IsEmpty());  // 1 + 3 + 3 + 7
  EXPECT_THAT(testing::SchemaErrors(schema, {.all_path_bytes = 13}), ElementsAre("PML0232 4:1"));
  EXPECT_THAT(testing::SchemaErrors(schema, {.all_path_bytes = 3}), ElementsAre("PML0232 2:1"));
}

TEST(Limits, TheFirstTwentyErrorsAreShownAndTheOthersCounted) {
  const std::string schema = "<schema name='s'>" + Repeat("<foo/>", 30) + "</schema>";
  const auto parsed = ParseSchema(PmlSource("s.xml", schema));
  EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(parsed.status().message(), ::testing::HasSubstr("10 more errors"));
}

TEST(Limits, AMillionTagsAreRefusedAndNotCollected) {
  EXPECT_THAT(Errors("<schema name='s'>" + Repeat("<m>", 1'000'000), {}), ElementsAre("PML0121"));
}

TEST(Limits, Pieces) {
  const std::string schema = "<schema name='s'>a<!-- b -->c</schema>";
  EXPECT_THAT(Errors(schema, {.pieces = 5}), IsEmpty());
  EXPECT_THAT(Errors(schema, {.pieces = 4}), ElementsAre("PML0126"));
}

}  // namespace
}  // namespace promptcache
