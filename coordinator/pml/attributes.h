// Every attribute of every element of a schema, once: what the builder reads, what the XSD
// declares, and what `did you mean` knows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace promptcache {

enum class AttributeKind : uint8_t {
  kName,      // [A-Za-z_][A-Za-z0-9_.-]*, not reserved
  kText,      // anything
  kPath,      // of a file beside the schema
  kPaths,     // of modules, separated by white space
  kTokens,    // a number of tokens, at least 1
  kFlag,      // true or false
  kDuration,  // 30m, 24h, 7d
  kChoice     // one of `choices`
};

enum class Presence : uint8_t { kOptional, kRequired };

struct AttributeRow {
  std::string_view element;
  std::string_view name;
  AttributeKind kind = AttributeKind::kText;
  Presence presence = Presence::kOptional;
  std::span<const std::string_view> choices = {};
};

// By element: schema, module, union, param, scaffold. `parameter` is another word for `param`,
// `len` for `length`, of which exactly one is required.
std::span<const AttributeRow> SchemaAttributes();

}  // namespace promptcache
