// How the markup of PML is written: tags, references, role markers, comments and CDATA, each by
// itself. Pure; offsets are in bytes of the text given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/templates.h"
#include "coordinator/pml/limits.h"
#include "coordinator/pml/messages/messages.h"

namespace promptcache {

inline constexpr std::string_view kCommentOpen = "<!--";
inline constexpr std::string_view kCommentClose = "-->";
inline constexpr std::string_view kCDataOpen = "<![CDATA[";
inline constexpr std::string_view kCDataClose = "]]>";

enum class TagKind : uint8_t { kOpen, kClose, kEmpty };

// Views of the text it was read from.
struct TagAttribute {
  std::string_view name;
  std::string_view value;  // between the quotes, as written
  size_t offset = 0;       // of the name
};

struct Tag {
  TagKind kind = TagKind::kOpen;
  std::string_view name;
  std::vector<TagAttribute> attributes;
  size_t end = 0;  // one past its '>'
};

// Why there is no tag, or one that goes past a limit.
struct TagFault {
  PmlId id = PmlId::kMalformedTag;  // or kBareLessThan: not even the beginning of one; or a limit
  size_t offset = 0;
  std::string what;  // the message's second argument
};

// The tag that begins with the '<' at `at`, into `tag`, whose memory is used again. Looks at
// nothing beyond the next '<'. References in values are not looked at. REQUIRES: text[at] == '<'.
std::optional<TagFault> ReadTag(std::string_view text, size_t at, const PmlLimits& limits,
                                Tag& tag);

// The name in a tag that ReadTag takes.
std::string_view TagName(std::string_view tag);

// The role marker written at `at`.
std::optional<RoleMarker> MarkerAt(std::string_view text, size_t at);

// A reference to one of the five entities or to a character that XML has; nullopt: none is at `at`.
struct Reference {
  uint32_t code = 0;
  size_t bytes = 0;  // as written, from '&' to ';'
};
std::optional<Reference> ReferenceAt(std::string_view text, size_t at);

// Offset of the first character at or behind `at` that no XML document may hold, or text.size().
// REQUIRES: the text is UTF-8.
size_t FirstIllegalCharacter(std::string_view text, size_t at);

// Offset of the first character at or behind `at` that is not simply text: '<', '&', ']', or what
// no XML document may hold, possibly; or text.size().
size_t FirstSpecial(std::string_view text, size_t at);

bool IsXmlSpace(char c);

}  // namespace promptcache
