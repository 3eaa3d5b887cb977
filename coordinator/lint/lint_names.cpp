#include <algorithm>
#include <map>
#include <set>

#include "common/text/utf8.h"
#include "coordinator/lint/lint_checks.h"

namespace promptcache::internal {
namespace {

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// What a container says, each stretch of white space one space: equal for members that a reader
// cannot tell apart. `exact` gets it as it is.
void Collect(const SchemaContainer& container, std::string& exact, std::string& reduced) {
  for (const SchemaChild& child : container.children) {
    if (const auto* text = std::get_if<XmlText>(&child)) {
      for (const TextSpan& span : text->spans) {
        const std::string written =
            span.marker ? std::string(RoleMarkerText(*span.marker)) : span.text;
        exact += written;
        for (size_t at = 0; at < written.size();) {
          const Utf8Character character = DecodeUtf8At(written, at);
          const size_t bytes = std::max(1U, character.bytes);
          if (!IsUnicodeSpace(character.code)) {
            reduced += written.substr(at, bytes);
          } else if (!reduced.ends_with(' ')) {
            reduced += ' ';
          }
          at += bytes;
        }
      }
    } else if (const auto* param = std::get_if<SchemaParam>(&child)) {
      exact += "\x01" + param->name;
      reduced += "\x01" + param->name;
    } else if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
      exact += "\x02" + (*module)->name;
      reduced += "\x02" + (*module)->name;
      Collect(**module, exact, reduced);
    }
  }
}

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

class NameWalk {
 public:
  explicit NameWalk(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void Walk(const SchemaContainer& container, const std::string& path) {
    std::map<std::string, std::string> modules;  // in lower case, to as written
    std::set<std::string> params;
    for (const SchemaChild& child : container.children) {
      if (const auto* param = std::get_if<SchemaParam>(&child)) params.insert(param->name);
    }
    for (const SchemaChild& child : container.children) {
      if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
        CheckModule(**module, container, path, modules, params);
      } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
        for (const auto& member : group->members) {
          CheckModule(*member, container, path, modules, params);
        }
        CheckTwins(*group, path);
      }
    }
  }

 private:
  void CheckModule(const SchemaContainer& module, const SchemaContainer& parent,
                   const std::string& path, std::map<std::string, std::string>& modules,
                   const std::set<std::string>& params) {
    const auto [same, is_new] = modules.emplace(LowerCase(module.name), module.name);
    if (!is_new) {
      Overlap(module, path, "differs from the module '" + same->second + "' by case only");
    } else if (module.name == parent.name) {
      Overlap(module, path, "is the name of the module around it");
    } else if (params.contains(module.name)) {
      Overlap(module, path, "is the name of a parameter there");
    }
    if (module.children.empty() && !module.src) {
      diagnostics_.Report(module.offset, PmlId::kLintUnreachable, path + "/" + module.name);
    }
    Walk(module, path + "/" + module.name);
  }

  void Overlap(const SchemaContainer& module, const std::string& path, const std::string& what) {
    diagnostics_.Report(module.offset, PmlId::kLintOverlappingNames, module.name, path, what);
  }

  void CheckTwins(const SchemaUnion& group, const std::string& path) {
    std::map<std::string, const SchemaContainer*> seen;
    for (const auto& member : group.members) {
      if (member->src) continue;  // its text is in another file
      std::string exact;
      std::string reduced;
      Collect(*member, exact, reduced);
      const auto [twin, is_new] = seen.emplace(Trimmed(reduced), member.get());
      if (is_new || exact.empty()) continue;
      diagnostics_.Report(member->offset, PmlId::kLintWhitespaceTwins, member->name,
                          twin->second->name, path);
    }
  }

  Diagnostics& diagnostics_;
};

// Every module attends to the text in front of the first one; without it each has to serve as its
// own beginning.
void LintAnchor(const SchemaDocument& document, Diagnostics& diagnostics) {
  if (document.encoding == EncodingMode::kIndependent || document.root.src) return;
  for (const SchemaChild& child : document.root.children) {
    const auto* text = std::get_if<XmlText>(&child);
    if (text == nullptr) {
      return diagnostics.Report(document.root.offset, PmlId::kLintNoAnchor, document.root.name);
    }
    if (!text->blank()) return;
  }
}

}  // namespace

void LintNames(const SchemaDocument& document, Diagnostics& diagnostics) {
  NameWalk(diagnostics).Walk(document.root, document.root.name);
  LintAnchor(document, diagnostics);
}

}  // namespace promptcache::internal
