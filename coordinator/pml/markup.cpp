#include "coordinator/pml/markup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "coordinator/pml/diagnostics.h"

namespace promptcache {
namespace {

constexpr size_t kLongestReference = 32;  // with leading zeros; the longest without is &#1114111;

// Which characters beyond ASCII a name may have is left to the XML parser.
bool MayBeginName(char c) {
  return c == '_' || c == ':' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool MayContinueName(char c) {
  return MayBeginName(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool IsXmlCharacter(uint32_t code) {
  return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code < 0xD800) ||
         (code >= 0xE000 && code < 0xFFFE) || (code >= 0x10000 && code <= 0x10FFFF);
}

using Bytes = std::array<bool, 256>;

// First bytes of characters that may be illegal: control characters, and 0xEF as in U+FFFE. And
// `others`.
constexpr Bytes SuspectsAnd(std::string_view others) {
  Bytes suspects{};
  for (size_t c = 0; c < 0x20; ++c) suspects[c] = c != '\t' && c != '\n' && c != '\r';
  suspects[0xEF] = true;
  for (const char c : others) suspects[static_cast<unsigned char>(c)] = true;
  return suspects;
}
constexpr Bytes kSuspects = SuspectsAnd("");
constexpr Bytes kSpecial = SuspectsAnd("<&]");

class TagReader {
 public:
  TagReader(std::string_view text, size_t at, const PmlLimits& limits, Tag& tag)
      : text_(text), start_(at), at_(at + 1), limits_(limits), tag_(tag) {}

  std::optional<TagFault> Read() {
    tag_.attributes.clear();
    const bool closes = At(0) == '/';
    if (closes) ++at_;
    if (!MayBeginName(At(0))) return TagFault{PmlId::kBareLessThan, start_, ""};
    tag_.name = TakeName();
    if (auto fault = CheckName(tag_.name)) return fault;
    for (;;) {
      const bool spaced = SkipSpace();
      if (At(0) == '>' || (At(0) == '/' && At(1) == '>' && !closes)) break;
      if (at_ == text_.size()) return Fault(start_, "it has no end ('>')");
      if (closes) return Fault(at_, "an end tag has nothing but a name");
      if (!MayBeginName(At(0))) return Fault(at_, "here it should go on with a name, '>' or '/>'");
      if (!spaced) return Fault(at_, "there is no space before this attribute");
      if (auto fault = TakeAttribute()) return fault;
    }
    tag_.kind = closes ? TagKind::kClose : At(0) == '/' ? TagKind::kEmpty : TagKind::kOpen;
    tag_.end = at_ + (tag_.kind == TagKind::kEmpty ? 2 : 1);
    return std::nullopt;
  }

 private:
  static TagFault Fault(size_t offset, std::string what) {
    return {PmlId::kMalformedTag, offset, std::move(what)};
  }

  // '\0', which nothing below takes, behind the end.
  char At(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  bool SkipSpace() {
    const size_t from = at_;
    while (IsXmlSpace(At(0))) ++at_;
    return at_ > from;
  }

  std::string_view TakeName() {
    const size_t from = at_;
    while (MayContinueName(At(0))) ++at_;
    return text_.substr(from, at_ - from);
  }

  std::optional<TagFault> CheckName(std::string_view name) const {
    if (name.size() <= limits_.name_bytes) return std::nullopt;
    return TagFault{PmlId::kLimitName, static_cast<size_t>(name.data() - text_.data()),
                    fmt::format("the name {} has {} bytes; the limit is {}", Quoted(name),
                                name.size(), limits_.name_bytes)};
  }

  std::optional<TagFault> TakeAttribute() {
    TagAttribute attribute{.offset = at_};
    attribute.name = TakeName();
    if (auto fault = CheckName(attribute.name)) return fault;
    const std::string name = At(0) == '=' ? "" : Quoted(attribute.name);
    SkipSpace();
    if (At(0) != '=') return Fault(attribute.offset, "the attribute " + name + " has no value");
    ++at_;
    SkipSpace();
    if (auto fault = TakeValue(attribute)) return fault;
    tag_.attributes.push_back(attribute);
    if (tag_.attributes.size() <= limits_.attributes) return std::nullopt;
    return TagFault{PmlId::kLimitAttributes, attribute.offset, std::to_string(limits_.attributes)};
  }

  std::optional<TagFault> TakeValue(TagAttribute& attribute) {
    const char quote = At(0);
    if (quote != '"' && quote != '\'') {
      return Fault(at_ < text_.size() ? at_ : start_,
                   "the value of " + Quoted(attribute.name) + " is not in quotes");
    }
    const size_t open = at_++;
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '<') ++at_;
    attribute.value = text_.substr(open + 1, at_ - open - 1);
    if (At(0) != quote) {
      return Fault(open, "the value of " + Quoted(attribute.name) +
                             " has no closing quote before the next '<'");
    }
    ++at_;
    if (attribute.value.size() <= limits_.attribute_bytes) return std::nullopt;
    return TagFault{
        PmlId::kLimitAttributeValue, attribute.offset,
        fmt::format("the value of {} has {} bytes; the limit is {}", Quoted(attribute.name),
                    attribute.value.size(), limits_.attribute_bytes)};
  }

  const std::string_view text_;
  const size_t start_;
  size_t at_;
  const PmlLimits& limits_;
  Tag& tag_;
};

// Of "#65" or "#x41"; 0, which is no character of XML, when it is neither.
uint32_t CharacterCode(std::string_view name) {
  const bool hex = name.starts_with("#x");
  const std::string_view digits = name.substr(hex ? 2 : 1);
  uint32_t code = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  return error == std::errc() && end == digits.data() + digits.size() ? code : 0;
}

uint32_t EntityCode(std::string_view name) {
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "amp") return '&';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  return 0;
}

}  // namespace

bool IsXmlSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::optional<TagFault> ReadTag(std::string_view text, size_t at, const PmlLimits& limits,
                                Tag& tag) {
  return TagReader(text, at, limits, tag).Read();
}

std::string_view TagName(std::string_view tag) {
  const size_t begin = tag.starts_with("</") ? 2 : 1;
  size_t end = begin;
  while (end < tag.size() && MayContinueName(tag[end])) ++end;
  return tag.substr(begin, end - begin);
}

std::optional<RoleMarker> MarkerAt(std::string_view text, size_t at) {
  const std::string_view ahead = text.substr(at);
  if (ahead.size() < 2 || std::string_view("/sua").find(ahead[1]) == std::string_view::npos) {
    return std::nullopt;  // most tags
  }
  for (size_t m = 0; m < kRoleMarkers; ++m) {
    const auto marker = static_cast<RoleMarker>(m);
    if (ahead.starts_with(RoleMarkerText(marker))) return marker;
  }
  return std::nullopt;
}

std::optional<Reference> ReferenceAt(std::string_view text, size_t at) {
  const std::string_view ahead = text.substr(at, kLongestReference);
  const size_t end = ahead.find(';');
  if (end == std::string_view::npos || end < 2) return std::nullopt;
  const std::string_view name = ahead.substr(1, end - 1);
  const uint32_t code = name[0] == '#' ? CharacterCode(name) : EntityCode(name);
  if (!IsXmlCharacter(code)) return std::nullopt;
  return Reference{code, end + 1};
}

size_t FirstSpecial(std::string_view text, size_t at) {
  while (at < text.size() && !kSpecial[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

size_t FirstIllegalCharacter(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (!kSuspects[c]) continue;
    const std::string_view character = text.substr(at, 3);
    if (c < 0x20 || character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") return at;
  }
  return text.size();
}

}  // namespace promptcache
