#include "tests/unit/pml/parsed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace promptcache::testing {
namespace {

std::vector<std::string> ShortErrors(const Diagnostics& diagnostics) {
  std::vector<std::string> errors;
  for (const Diagnostic& error : diagnostics.errors()) {
    errors.push_back(fmt::format("{} {}:{}", error.id, error.location.line, error.location.column));
  }
  return errors;
}

const SchemaContainer* ChildOf(const SchemaContainer& parent, std::string_view name) {
  for (const SchemaChild& child : parent.children) {
    if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
      if ((*module)->name == name) return module->get();
    } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
      for (const auto& member : group->members) {
        if (member->name == name) return member.get();
      }
    }
  }
  return nullptr;
}

}  // namespace

SchemaDocument SchemaOf(const std::string& text) {
  auto schema = ParseSchema(PmlSource("s.xml", text));
  EXPECT_TRUE(schema.ok()) << schema.status().ToString();
  return schema.ok() ? *std::move(schema) : SchemaDocument();
}

PromptDocument PromptOf(const std::string& text) {
  auto prompt = ParsePrompt(PmlSource("p.xml", text));
  EXPECT_TRUE(prompt.ok()) << prompt.status().ToString();
  return prompt.ok() ? *std::move(prompt) : PromptDocument();
}

std::vector<std::string> SchemaErrors(const std::string& text, const PmlLimits& limits) {
  const PmlSource source("s.xml", text);
  Diagnostics diagnostics(source);
  const bool accepted = ParseSchema(source, limits, diagnostics).has_value();
  EXPECT_EQ(accepted, diagnostics.ok());
  return ShortErrors(diagnostics);
}

std::vector<std::string> PromptErrors(const std::string& text) {
  const PmlSource source("p.xml", text);
  Diagnostics diagnostics(source);
  const bool accepted = ParsePrompt(source, kPromptLimits, diagnostics).has_value();
  EXPECT_EQ(accepted, diagnostics.ok());
  return ShortErrors(diagnostics);
}

const SchemaContainer& ModuleOf(const SchemaDocument& schema, std::string_view path) {
  static const SchemaContainer kNoModule;
  const SchemaContainer* at = &schema.root;
  while (at != nullptr && !path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    at = ChildOf(*at, path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  EXPECT_NE(at, nullptr) << "no such module";
  return at == nullptr ? kNoModule : *at;
}

std::string TextOf(const XmlText& text) {
  std::string out;
  for (const TextSpan& span : text.spans) {
    out += span.marker ? std::string(RoleMarkerText(*span.marker)) : span.text;
  }
  return out;
}

void ExpectFirstError(const ErrorCase& expected, const Diagnostics& diagnostics) {
  SCOPED_TRACE(expected.document);
  ASSERT_FALSE(diagnostics.ok()) << "accepted";
  const Diagnostic& first = diagnostics.errors()[0];
  EXPECT_EQ(first.location.line, expected.line) << diagnostics.Render();
  EXPECT_EQ(first.location.column, expected.column) << diagnostics.Render();
  EXPECT_EQ(first.id, expected.id) << diagnostics.Render();
  EXPECT_THAT(first.message, ::testing::HasSubstr(expected.message));
}

void ExpectSchemaError(const ErrorCase& expected) {
  const PmlSource source("s.xml", expected.document);
  Diagnostics diagnostics(source);
  EXPECT_FALSE(ParseSchema(source, {}, diagnostics).has_value());
  ExpectFirstError(expected, diagnostics);
}

void ExpectPromptError(const ErrorCase& expected) {
  const PmlSource source("p.xml", expected.document);
  Diagnostics diagnostics(source);
  EXPECT_FALSE(ParsePrompt(source, kPromptLimits, diagnostics).has_value());
  ExpectFirstError(expected, diagnostics);
}

}  // namespace promptcache::testing
