// Chat templates as data: what each role marker of PML stands for (design of PML, section 5).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

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

// Immutable; safe for concurrent use.
struct ChatTemplate {
  std::string name;                            // "chatml"
  std::string detect;                          // in the template of a model file; empty: never
  std::array<std::string, kRoleMarkers> text;  // by RoleMarker

  std::string_view operator[](RoleMarker marker) const { return text[static_cast<size_t>(marker)]; }
};

// The file of a template, whose form is that of common/text/templates. `name` is for messages:
// kInvalidArgument with name, line and what is wrong.
Result<ChatTemplate> ParseChatTemplate(std::string_view toml, const std::string& name);

// "auto" is the one with the longest `detect` that the model's own template has ("none" without
// any); a name ending in ".toml" is the path of a template's file; else the name of a built-in one,
// which is kept for ever. kInvalidArgument listing the known names; for a file also kNotFound.
Result<std::shared_ptr<const ChatTemplate>> FindChatTemplate(std::string_view name,
                                                             std::string_view model_template);

// The template that a model brings, in the language of its makers; empty when it has none. Of a
// GGUF file its key tokenizer.chat_template; of a Hugging Face directory chat_template.jinja, else
// chat_template of tokenizer_config.json (the one named default, where there are several).
Result<std::string> ReadModelTemplate(const std::string& model_path);

}  // namespace promptcache
