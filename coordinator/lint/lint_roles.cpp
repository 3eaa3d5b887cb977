#include <optional>

#include "coordinator/lint/lint_checks.h"

namespace promptcache::internal {
namespace {

enum class Role : uint8_t { kSystem, kUser, kAssistant };
constexpr const char* kRoleNames[] = {"system", "user", "assistant"};

// What was open and what came last when the text so far has been read.
struct RoleState {
  std::optional<Role> open;
  size_t open_offset = 0;
  std::optional<Role> last;  // closed last
};

struct MarkerMeaning {
  Role role;
  bool opens;
  bool closes;
};

MarkerMeaning MeaningOf(RoleMarker marker) {
  switch (marker) {
    case RoleMarker::kSystemOpen:
      return {Role::kSystem, true, false};
    case RoleMarker::kSystemClose:
      return {Role::kSystem, false, true};
    case RoleMarker::kSystemEmpty:
      return {Role::kSystem, true, true};
    case RoleMarker::kUserOpen:
      return {Role::kUser, true, false};
    case RoleMarker::kUserClose:
      return {Role::kUser, false, true};
    case RoleMarker::kAssistantOpen:
      return {Role::kAssistant, true, false};
    case RoleMarker::kAssistantClose:
      break;
  }
  return {Role::kAssistant, false, true};
}

// A conversation is a system text, then user and assistant in turns.
bool MayFollow(std::optional<Role> last, Role next) {
  switch (next) {
    case Role::kSystem:
      return !last;
    case Role::kUser:
      return last != Role::kUser;
    case Role::kAssistant:
      break;
  }
  return last == Role::kUser;
}

class RoleWalk {
 public:
  explicit RoleWalk(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void Check(const SchemaDocument& document) {
    RoleState state;
    Walk(document.root, state);
    // What is open at the end is closed by the prompt; a system text is the schema's own.
    if (state.open == Role::kSystem) {
      diagnostics_.Report(state.open_offset, PmlId::kLintUnbalancedRoles, "<system>",
                          "is never closed");
    }
  }

 private:
  // The members of a union stand at one place: the first says what follows them.
  void Walk(const SchemaContainer& container, RoleState& state) {
    for (const SchemaChild& child : container.children) {
      if (const auto* text = std::get_if<XmlText>(&child)) {
        Read(*text, state);
      } else if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
        Walk(**module, state);
      } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
        const RoleState before = state;
        for (const auto& member : group->members) {
          RoleState inside = before;
          Walk(*member, inside);
          if (member == group->members.front()) state = inside;
        }
      }
    }
  }

  void Read(const XmlText& text, RoleState& state) {
    for (const TextSpan& span : text.spans) {
      if (!span.marker) continue;
      const MarkerMeaning meaning = MeaningOf(*span.marker);
      const std::string_view written = RoleMarkerText(*span.marker);
      const size_t offset = text.content_offset.value_or(0);
      if (meaning.opens) Open(meaning.role, written, offset, state);
      if (meaning.closes) Close(meaning.role, written, offset, state);
    }
  }

  void Open(Role role, std::string_view written, size_t offset, RoleState& state) {
    if (state.open) {
      diagnostics_.Report(
          offset, PmlId::kLintRoleSequence, written,
          std::string("inside <") + kRoleNames[static_cast<int>(*state.open)] + ">");
    } else if (!MayFollow(state.last, role)) {
      diagnostics_.Report(
          offset, PmlId::kLintRoleSequence, written,
          !state.last ? std::string("at the beginning")
                      : std::string("behind </") + kRoleNames[static_cast<int>(*state.last)] + ">");
    }
    state.open = role;
    state.open_offset = offset;
  }

  void Close(Role role, std::string_view written, size_t offset, RoleState& state) {
    if (state.open != role) {
      diagnostics_.Report(offset, PmlId::kLintUnbalancedRoles, written, "closes nothing");
    }
    state.open.reset();
    state.last = role;
  }

  Diagnostics& diagnostics_;
};

}  // namespace

void LintRoles(const SchemaDocument& document, Diagnostics& diagnostics) {
  RoleWalk(diagnostics).Check(document);
}

}  // namespace promptcache::internal
