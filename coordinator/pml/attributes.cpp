#include "coordinator/pml/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

// In the order of the enumerations.
constexpr std::string_view kWhitespaces[] = {"reference", "indent", "preserve"};
constexpr std::string_view kPositions[] = {"schema", "packed"};
constexpr std::string_view kEncodings[] = {"anchored", "independent", "schema"};

constexpr AttributeRow kRows[] = {
    {"schema", "name", AttributeKind::kName, Presence::kRequired},
    {"schema", "src", AttributeKind::kPath},
    {"schema", "whitespace", AttributeKind::kChoice, Presence::kOptional, kWhitespaces},
    {"schema", "positions", AttributeKind::kChoice, Presence::kOptional, kPositions},
    {"schema", "encoding", AttributeKind::kChoice, Presence::kOptional, kEncodings},
    {"schema", "ttl", AttributeKind::kDuration},
    {"schema", "pin", AttributeKind::kFlag},
    {"schema", "description", AttributeKind::kText},
    {"module", "name", AttributeKind::kName, Presence::kRequired},
    {"module", "src", AttributeKind::kPath},
    {"module", "cache", AttributeKind::kFlag},
    {"module", "ttl", AttributeKind::kDuration},
    {"module", "pin", AttributeKind::kFlag},
    {"module", "description", AttributeKind::kText},
    {"union", "scaffold", AttributeKind::kText},
    {"param", "name", AttributeKind::kName, Presence::kRequired},
    {"param", "length", AttributeKind::kTokens},
    {"param", "len", AttributeKind::kTokens},
    {"param", "scaffold", AttributeKind::kText},
    {"scaffold", "modules", AttributeKind::kPaths, Presence::kRequired},
};

constexpr uint64_t kMsPerMinute = 60'000;
constexpr uint64_t kMsPerDay = 24 * 60 * kMsPerMinute;

// The whole of `text` as a decimal number without a sign.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsModulePath(std::string_view path) {
  for (;;) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (!WhyNotAName(path.substr(0, slash)).empty()) return false;
    if (slash == path.size()) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::span<const AttributeRow> SchemaAttributes() { return kRows; }

std::string_view CanonicalElement(std::string_view element) {
  return element == "parameter" ? "param" : element;
}

const AttributeRow* FindAttribute(std::string_view element, std::string_view name) {
  element = CanonicalElement(element);
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const AttributeRow& one) {
    return one.element == element && one.name == name;
  });
  return row == std::end(kRows) ? nullptr : row;
}

std::string WhatItIsNot(const AttributeRow& row, std::string_view value) {
  switch (row.kind) {
    case AttributeKind::kName:
    case AttributeKind::kText:
    case AttributeKind::kPath:
      return "";
    case AttributeKind::kPaths:
      return ParseModulePaths(value) ? "" : "a list of module paths such as 'a b/c'";
    case AttributeKind::kTokens:
      return ParseTokenCount(value)
                 ? ""
                 : fmt::format("a number of tokens from 1 to {}", kMaxParamLength);
    case AttributeKind::kFlag:
      return ParseFlag(value) ? "" : "one of true, false";
    case AttributeKind::kDuration:
      return ParseDurationMs(value)
                 ? ""
                 : fmt::format("a time from 1m to {}d such as 30m, 24h or 7d", kMaxTtlDays);
    case AttributeKind::kChoice:
      break;
  }
  const bool found = std::find(row.choices.begin(), row.choices.end(), value) != row.choices.end();
  return found ? "" : fmt::format("one of {}", fmt::join(row.choices, ", "));
}

std::optional<bool> ParseFlag(std::string_view value) {
  if (value != "true" && value != "false") return std::nullopt;
  return value == "true";
}

std::optional<uint32_t> ParseTokenCount(std::string_view value) {
  const auto count = ParseNumber(value);
  if (!count || *count < 1 || *count > kMaxParamLength) return std::nullopt;
  return static_cast<uint32_t>(*count);
}

std::optional<uint64_t> ParseDurationMs(std::string_view value) {
  if (value.empty()) return std::nullopt;
  const char unit = value.back();
  const uint64_t unit_ms = unit == 'm'   ? kMsPerMinute
                           : unit == 'h' ? 60 * kMsPerMinute
                           : unit == 'd' ? kMsPerDay
                                         : 0;
  const auto count = ParseNumber(value.substr(0, value.size() - 1));
  if (unit_ms == 0 || !count || *count < 1 || *count > kMaxTtlDays * kMsPerDay / unit_ms) {
    return std::nullopt;
  }
  return *count * unit_ms;
}

std::optional<std::vector<std::string_view>> ParseModulePaths(std::string_view value) {
  constexpr std::string_view kSpace = " \t\r\n";
  std::vector<std::string_view> paths;
  for (size_t at = value.find_first_not_of(kSpace); at != std::string_view::npos;
       at = value.find_first_not_of(kSpace, at)) {
    const size_t end = std::min(value.find_first_of(kSpace, at), value.size());
    paths.push_back(value.substr(at, end - at));
    if (!IsModulePath(paths.back())) return std::nullopt;
    at = end;
  }
  return paths;
}

}  // namespace promptcache
