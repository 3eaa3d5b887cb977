// Reading the file of a chat template.
#include <toml++/toml.h>

#include <algorithm>

#include "common/text/templates.h"

namespace promptcache {
namespace {

constexpr size_t kMaxFileBytes = 64 << 10;
constexpr size_t kMaxTextBytes = 4 << 10;  // of one string

std::string Where(const std::string& name, const toml::node& node) {
  return name + ":" + std::to_string(node.source().begin.line) + ": ";
}

Status ReadText(const toml::node& node, const std::string& name, std::string& text) {
  const auto* value = node.as_string();
  if (value == nullptr) return InvalidArgument(Where(name, node) + "not a string");
  if (value->get().size() > kMaxTextBytes) {
    return InvalidArgument(Where(name, node) + "a string of a template has at most 4 KiB");
  }
  text = value->get();
  return {};
}

Status ReadMarkers(const toml::node& node, const std::string& name, ChatTemplate& chat) {
  const toml::table* markers = node.as_table();
  if (markers == nullptr) return InvalidArgument(Where(name, node) + "'markers' is not a table");
  std::array<bool, kRoleMarkers> given{};
  for (const auto& [key, value] : *markers) {
    size_t marker = 0;
    while (marker < kRoleMarkers && RoleMarkerText(static_cast<RoleMarker>(marker)) != key.str())
      ++marker;
    if (marker == kRoleMarkers) {
      return InvalidArgument(Where(name, value) + "'" + std::string(key.str()) +
                             "' is not a role marker");
    }
    PC_RETURN_IF_ERROR(ReadText(value, name, chat.text[marker]));
    given[marker] = true;
  }
  const auto missing = std::find(given.begin(), given.end(), false) - given.begin();
  if (missing == static_cast<ptrdiff_t>(kRoleMarkers)) return {};
  return InvalidArgument(Where(name, node) + "the marker " +
                         std::string(RoleMarkerText(static_cast<RoleMarker>(missing))) +
                         " is missing; a marker that writes nothing is \"\"");
}

Result<ChatTemplate> Read(const toml::table& root, const std::string& name) {
  ChatTemplate chat;
  for (const auto& [key, value] : root) {
    if (key == "name") {
      PC_RETURN_IF_ERROR(ReadText(value, name, chat.name));
    } else if (key == "detect") {
      PC_RETURN_IF_ERROR(ReadText(value, name, chat.detect));
    } else if (key == "markers") {
      PC_RETURN_IF_ERROR(ReadMarkers(value, name, chat));
    } else {
      return InvalidArgument(Where(name, value) + "'" + std::string(key.str()) +
                             "' is not one of name, detect, markers");
    }
  }
  if (chat.name.empty()) return InvalidArgument(name + ": the template has no name");
  if (!root.contains("markers")) return InvalidArgument(name + ": the template has no markers");
  return chat;
}

}  // namespace

Result<ChatTemplate> ParseChatTemplate(std::string_view toml, const std::string& name) {
  if (toml.size() > kMaxFileBytes) {
    return InvalidArgument(name + ": a chat template's file has at most 64 KiB");
  }
  try {
    return Read(toml::parse(toml, name), name);
  } catch (const toml::parse_error& error) {
    return InvalidArgument(name + ":" + std::to_string(error.source().begin.line) +
                           ": not valid TOML: " + std::string(error.description()));
  } catch (const std::exception& error) {
    return InvalidArgument(name + ": " + error.what());
  }
}

}  // namespace promptcache
