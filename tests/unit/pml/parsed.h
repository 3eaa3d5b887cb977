// Documents as tests write them, and what was said about them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"

namespace promptcache::testing {

// The tree of a document without errors; the test fails when it has some.
SchemaDocument SchemaOf(const std::string& text);
PromptDocument PromptOf(const std::string& text);

// All errors of a document in their order, as "PML0205 1:18".
std::vector<std::string> SchemaErrors(const std::string& text, const PmlLimits& limits = {});
std::vector<std::string> PromptErrors(const std::string& text);

// The module at a path such as "a/b"; the test fails when there is none.
const SchemaContainer& ModuleOf(const SchemaDocument& schema, std::string_view path);
// Markers as they are written.
std::string TextOf(const XmlText& text);

// A document, and its first error.
struct ErrorCase {
  const char* document;
  uint32_t line;
  uint32_t column;
  const char* id;
  const char* message;  // a part of it
};
void ExpectFirstError(const ErrorCase& expected, const Diagnostics& diagnostics);
void ExpectSchemaError(const ErrorCase& expected);
void ExpectPromptError(const ErrorCase& expected);

}  // namespace promptcache::testing
