#include "coordinator/plan/selection.h"

#include <algorithm>
#include <map>
#include <set>

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

class Selector {
 public:
  Selector(const Layout& layout, const TextEncoder& encoder, Diagnostics& diagnostics)
      : layout_(layout), encoder_(encoder), diagnostics_(diagnostics) {}

  Selection Run(const PromptDocument& prompt) {
    selection_.containers.push_back(0);
    Scope scope;
    // Most prompts import modules of a few containers.
    selection_.containers.reserve(2 * prompt.references.size() + 1);
    selection_.top_level.reserve(prompt.references.size());
    selection_.subtree_end.reserve(prompt.references.size());
    for (const PromptReference& reference : prompt.references) {
      const int32_t container = Select(reference, 0, scope);
      selection_.top_level.push_back(std::max(container, 0));
      selection_.subtree_end.push_back(selection_.containers.size());
    }
    return std::move(selection_);
  }

 private:
  // What is already imported among the children of one container.
  struct Scope {
    std::set<int32_t> modules;
    std::map<int32_t, std::string_view> union_choice;  // union to the member chosen
  };

  int32_t Select(const PromptReference& reference, int32_t parent, Scope& scope) {
    const int32_t found = FindChild(reference, parent);
    if (found == kNone) return kNone;
    const LayoutContainer& container = layout_.containers[found];
    if (!scope.modules.insert(found).second) {
      diagnostics_.Report(reference.offset, PmlId::kImportedTwice, container.path);
      return kNone;
    }
    if (container.union_index != kNone) {
      const auto [choice, first] =
          scope.union_choice.emplace(container.union_index, reference.name);
      if (!first) {
        diagnostics_.Report(reference.offset, PmlId::kTwoUnionMembers, choice->second,
                            reference.name, layout_.containers[parent].path);
        return kNone;
      }
    }
    selection_.containers.push_back(found);
    for (const PromptArgument& argument : reference.arguments) {
      AddArgument(argument, container);
    }
    Scope inside;
    for (const PromptReference& child : reference.children) Select(child, found, inside);
    return found;
  }

  int32_t FindChild(const PromptReference& reference, int32_t parent) {
    const int32_t found = layout_.FindChild(parent, reference.name);
    if (found == kNone) {
      diagnostics_.Report(reference.offset, PmlId::kUnknownModule, layout_.containers[parent].path,
                          Quoted(reference.name), HintFor(reference.name, parent));
    }
    return found;
  }

  // Where a module of this name is, or which one may be meant. Only for as many errors as are kept.
  std::string HintFor(const std::string& name, int32_t parent) const {
    if (diagnostics_.full()) return "";
    for (const LayoutContainer& container : layout_.containers) {
      if (container.parent != kNone && container.name == name) {
        return "; it is in '" + layout_.containers[container.parent].path + "'";
      }
    }
    std::vector<std::string> names;
    for (const int32_t child : layout_.containers[parent].children) {
      names.push_back(layout_.containers[child].name);
    }
    return DidYouMean(name, names);
  }

  void AddArgument(const PromptArgument& argument, const LayoutContainer& container) {
    for (const LayoutParam& param : container.params) {
      if (param.name != argument.name) continue;
      auto ids = encoder_.EncodeArgument(argument.value);
      if (!ids.ok()) {
        diagnostics_.Report(argument.offset, PmlId::kArgumentUntokenizable, argument.name,
                            container.path, ids.status().message());
      } else if (ids->size() > param.length) {
        diagnostics_.Report(argument.offset, PmlId::kArgumentTooLong, argument.name, container.path,
                            ids->size(), param.length);
      } else {
        selection_.arguments.push_back({&param, *std::move(ids)});
      }
      return;
    }
    std::vector<std::string> names;
    for (const LayoutParam& param : container.params) names.push_back(param.name);
    diagnostics_.Report(argument.offset, PmlId::kUnknownArgument, container.path,
                        Quoted(argument.name), DidYouMean(argument.name, names));
  }

  const Layout& layout_;
  const TextEncoder& encoder_;
  Diagnostics& diagnostics_;
  Selection selection_;
};

}  // namespace

Selection SelectModules(const Layout& layout, const TextEncoder& encoder,
                        const PromptDocument& prompt, Diagnostics& diagnostics) {
  return Selector(layout, encoder, diagnostics).Run(prompt);
}

}  // namespace promptcache
