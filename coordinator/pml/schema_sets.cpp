#include "coordinator/pml/schema_sets.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "coordinator/pml/attributes.h"
#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

using Module = const SchemaContainer*;

// Takes the first name off a path.
std::string_view TakeFirst(std::string_view& path) {
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string_view name = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return name;
}

// Where every module of a schema is.
class ModuleIndex {
 public:
  struct Place {
    Module parent = nullptr;
    const SchemaUnion* group = nullptr;  // the union it is a member of
  };

  explicit ModuleIndex(const SchemaContainer& root) : root_(&root) { AddInside(root); }

  // nullptr when there is none.
  Module Find(std::string_view path) const {
    Module at = root_;
    while (at != nullptr && !path.empty()) at = FindChild(at, TakeFirst(path));
    return at;
  }

  const Place& PlaceOf(Module module) const { return places_.at(module); }
  Module root() const { return root_; }

  // "; did you mean 'a/b'?" for a path without a module, or empty.
  std::string HintFor(std::string_view path) const {
    const std::string_view last = path.substr(path.rfind('/') + 1);
    for (const auto& [key, module] : children_) {
      if (key.second == last) return "; did you mean '" + PathOf(module) + "'?";
    }
    Module parent = root_;
    std::string_view rest = path;
    std::string_view wrong = TakeFirst(rest);
    for (Module child; (child = FindChild(parent, wrong)) != nullptr; wrong = TakeFirst(rest)) {
      parent = child;
    }
    std::vector<std::string> siblings;
    for (auto child = children_.lower_bound({parent, ""});
         child != children_.end() && child->first.first == parent; ++child) {
      siblings.push_back(PathOf(child->second));
    }
    return DidYouMean(path.substr(0, static_cast<size_t>(wrong.end() - path.begin())), siblings);
  }

 private:
  Module FindChild(Module parent, std::string_view name) const {
    const auto child = children_.find({parent, name});
    return child == children_.end() ? nullptr : child->second;
  }

  std::string PathOf(Module module) const {
    const Module parent = places_.at(module).parent;
    return (parent == root_ ? "" : PathOf(parent) + "/") + module->name;
  }

  void Add(const SchemaContainer& module, const Place& place) {
    children_.emplace(std::pair(place.parent, std::string_view(module.name)), &module);
    places_.emplace(&module, place);
    AddInside(module);
  }

  void AddInside(const SchemaContainer& container) {
    for (const SchemaChild& child : container.children) {
      if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
        Add(**module, {.parent = &container});
      } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
        for (const auto& member : group->members) {
          Add(*member, {.parent = &container, .group = group});
        }
      }
    }
  }

  const Module root_;
  std::map<std::pair<Module, std::string_view>, Module> children_;  // by parent and name
  std::unordered_map<Module, Place> places_;
};

// Reads one <scaffold>.
class SetReader {
 public:
  SetReader(const XmlElement& element, const ModuleIndex& index, Diagnostics& diagnostics)
      : element_(element),
        modules_(*element.Find("modules")),
        index_(index),
        diagnostics_(diagnostics) {}

  SchemaSet Read(const std::vector<std::string_view>& paths) {
    SchemaSet set{.offset = element_.offset};
    for (const std::string_view path : paths) {
      if (MayBeMember(path)) set.members.emplace_back(path);
    }
    if (paths.size() < 2) Report(PmlId::kSetTooSmall, paths.size());
    return set;
  }

 private:
  template <typename... Args>
  void Report(PmlId id, const Args&... args) {
    diagnostics_.Report(modules_.offset, id, ElementPlace(element_.name, "", index_.root()->name),
                        args...);
  }

  bool MayBeMember(std::string_view path) {
    const Module module = index_.Find(path);
    if (module == nullptr) {
      Report(PmlId::kSetUnknownMember, Quoted(path),
             diagnostics_.full() ? "" : index_.HintFor(path));
    } else if (!members_.insert(module).second) {
      Report(PmlId::kSetRepeatedMember, Quoted(path));
    } else if (!module->cached) {
      Report(PmlId::kSetUncachedMember, Quoted(path));
    } else {
      return MayJoin(module, path);
    }
    return false;
  }

  // Whether a prompt can import the module together with the members before it.
  bool MayJoin(Module module, std::string_view path) {
    for (; module != index_.root(); module = index_.PlaceOf(module).parent) {
      const SchemaUnion* group = index_.PlaceOf(module).group;
      if (group == nullptr) continue;
      const auto [choice, is_first] = choices_.emplace(group, Choice{module, path});
      if (is_first || choice->second.module == module) continue;
      Report(PmlId::kSetExclusiveMembers, Quoted(choice->second.path), Quoted(path));
      return false;
    }
    return true;
  }

  // What a set's member takes of a union.
  struct Choice {
    Module module = nullptr;
    std::string_view path;  // of the set's member
  };

  const XmlElement& element_;
  const XmlAttribute& modules_;
  const ModuleIndex& index_;
  Diagnostics& diagnostics_;
  std::unordered_set<Module> members_;
  std::unordered_map<const SchemaUnion*, Choice> choices_;
};

}  // namespace

void ReadSets(const std::vector<const XmlElement*>& elements, SchemaDocument& document,
              Diagnostics& diagnostics) {
  if (elements.empty()) return;
  const ModuleIndex index(document.root);
  for (const XmlElement* element : elements) {
    const XmlAttribute* modules = element->Find("modules");
    if (modules == nullptr) continue;
    if (const auto paths = ParseModulePaths(modules->value)) {
      document.sets.push_back(SetReader(*element, index, diagnostics).Read(*paths));
    }
  }
}

}  // namespace promptcache
