// Chat templates as data: what each role marker of PML stands for (design of PML, section 5).
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "common/formats/gguf.h"
#include "common/status.h"

namespace promptcache {

enum class RoleMarker : uint8_t {
  kSystemOpen,     // <system>
  kSystemClose,    // </system>
  kSystemEmpty,    // <system/>
  kUserOpen,       // <user>
  kUserClose,      // </user>
  kAssistantOpen,  // <assistant>
  kAssistantClose  // </assistant>
};
inline constexpr size_t kRoleMarkers = 7;

// "<system>", ... as written in PML.
std::string_view RoleMarkerText(RoleMarker marker);

struct ChatTemplate {
  std::string_view name;                            // "chatml"
  std::array<std::string_view, kRoleMarkers> text;  // by RoleMarker

  std::string_view operator[](RoleMarker marker) const { return text[static_cast<size_t>(marker)]; }
};

std::span<const ChatTemplate> ChatTemplates();

// "auto" asks the model file (null: "none"); else a name. kInvalidArgument listing the known names.
Result<const ChatTemplate*> FindChatTemplate(std::string_view name, const GgufFile* file);

}  // namespace promptcache
