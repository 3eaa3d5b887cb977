// Every attribute of every element of a schema, once: what the builder reads, what the XSD
// declares, and what `did you mean` knows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

// The element's name in the table.
std::string_view CanonicalElement(std::string_view element);
// nullptr when the element has no such attribute.
const AttributeRow* FindAttribute(std::string_view element, std::string_view name);

inline constexpr uint32_t kMaxParamLength = 1 << 24;
inline constexpr uint64_t kMaxTtlDays = 36'500;

// Empty when `value` may be the attribute's, else what it is not: "one of true, false". Names and
// files' paths have rules of their own (names.h, sources.h) and are not looked at.
std::string WhatItIsNot(const AttributeRow& row, std::string_view value);

// nullopt when `value` is none.
std::optional<bool> ParseFlag(std::string_view value);
std::optional<uint32_t> ParseTokenCount(std::string_view value);
std::optional<uint64_t> ParseDurationMs(std::string_view value);
std::optional<std::vector<std::string_view>> ParseModulePaths(std::string_view value);

}  // namespace promptcache
