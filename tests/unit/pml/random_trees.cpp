#include "tests/unit/pml/random_trees.h"

#include <fmt/format.h>
#include <rapidcheck.h>

namespace promptcache::testing {
namespace {

// What a text may be made of; a character of XML each, or what looks like markup.
const std::vector<std::string> kFragments = {
    "a",       "word", "<",     "&",    ">",   "]]>",  "]",  "\"",     "'",      "<user>",
    "</user>", "&lt;", "&#65;", "<!--", "-->", "<a/>", "{}", "\u00E9", "\uFEFF", "\U0001F600"};
// All of Unicode's white space that XML has.
const std::vector<std::string> kSpaces = {
    " ",      "\t",     "\n",     "\r",     "\u0085", "\u00A0", "\u1680", "\u2000",
    "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
    "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

// The whole range from the first case on: these trees are small enough.
int Below(int end) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, end)); }
bool Maybe() { return Below(2) == 1; }

std::string AnyString() {
  std::string text;
  for (int n = Below(5); n > 0; --n) {
    text += *rc::gen::elementOf(Maybe() ? kFragments : kSpaces);
  }
  return text;
}

XmlText AnyText() {
  XmlText text;
  for (int n = 1 + Below(6); n > 0; --n) {
    switch (Below(5)) {
      case 0:
        text.AppendMarker(static_cast<RoleMarker>(Below(kRoleMarkers)), 0);
        break;
      case 1:
        text.AppendCData(AnyString(), 0);
        break;
      case 2:
        text.AppendRaw(fmt::format("&#{};", *rc::gen::elementOf(std::vector<int>{
                                                9, 10, 13, 32, 38, 60, 62, 133, 160, 8232, 65})),
                       0);
        break;
      case 3:
        text.AppendLiteral(*rc::gen::elementOf(kSpaces), 0);
        break;
      default:
        text.AppendLiteral(*rc::gen::elementOf(kFragments), 0);
    }
  }
  return text;
}

class SchemaMaker {
 public:
  SchemaDocument Make() {
    SchemaDocument document;
    document.whitespace = static_cast<Whitespace>(Below(3));
    document.positions = static_cast<Positions>(Below(2));
    document.encoding = *rc::gen::element(EncodingMode::kAnchored, EncodingMode::kIndependent,
                                          EncodingMode::kSchema);
    FillContainer({}, document.root);
    AddChildren(0, "", document.root);
    for (int n = cached_paths_.size() < 2 ? 0 : Below(3); n > 0; --n) {
      const size_t first = static_cast<size_t>(Below(static_cast<int>(cached_paths_.size()) - 1));
      document.sets.push_back({.members = {cached_paths_[first], cached_paths_[first + 1]}});
    }
    return document;
  }

 private:
  std::string NewName() {
    const std::vector<std::string> starts = {"a", "_", "unit.py", "A-1"};
    return *rc::gen::elementOf(starts) + std::to_string(names_++);
  }

  void FillContainer(const SchemaContainer& parent, SchemaContainer& into) {
    into.name = NewName();
    into.description = AnyString();
    if (Maybe()) into.src = SchemaSource{.path = "docs/" + into.name + " & more.txt"};
    into.lifetime = parent.lifetime;
    if (Maybe()) into.lifetime.ttl_ms = uint64_t{60'000} * static_cast<uint64_t>(1 + Below(4000));
    if (Maybe()) into.lifetime.pinned = Maybe();
  }

  // `path` ends with '/' or is empty; modules inside a union are in no set.
  std::unique_ptr<SchemaContainer> AnyModule(int depth, const std::string& path,
                                             const SchemaContainer& parent) {
    auto module = std::make_unique<SchemaContainer>();
    FillContainer(parent, *module);
    module->cached = parent.cached && Below(4) != 0;
    const bool in_union = path == kInUnion;
    if (module->cached && !in_union) cached_paths_.push_back(path + module->name);
    AddChildren(depth + 1, in_union ? path : path + module->name + "/", *module);
    return module;
  }

  void AddChildren(int depth, const std::string& path, SchemaContainer& into) {
    bool after_text = false;
    for (int n = Below(depth > 2 ? 2 : 5); n > 0; --n) {
      const int kind = Below(4);
      if (kind == 0 && !after_text) into.children.emplace_back(AnyText());
      after_text = kind == 0;
      if (kind == 1) into.children.emplace_back(AnyModule(depth, path, into));
      if (kind == 2) into.children.emplace_back(AnyUnion(depth, into));
      if (kind != 3) continue;
      if (depth == 0) {  // a schema has no parameters
        into.children.emplace_back(AnyModule(depth, path, into));
      } else {
        into.children.emplace_back(AnyParam());
      }
    }
  }

  SchemaUnion AnyUnion(int depth, const SchemaContainer& container) {
    SchemaUnion group;
    for (int n = Below(3); n > 0; --n) {
      group.members.push_back(AnyModule(depth, kInUnion, container));
    }
    if (!group.members.empty() && Maybe()) group.scaffold = group.members.back()->name;
    return group;
  }

  SchemaParam AnyParam() {
    SchemaParam param{.name = NewName(), .length = static_cast<uint32_t>(1 + Below(1000))};
    if (Maybe()) param.scaffold = AnyString();
    return param;
  }

  const std::string kInUnion = "|";
  int names_ = 0;
  std::vector<std::string> cached_paths_;
};

PromptReference AnyReference(int depth) {
  PromptReference reference{.name = *rc::gen::elementOf(std::vector<std::string>{
                                "a", "unit.py", "_b-1", "module", "schema"})};
  for (int n = Below(3); n > 0; --n) {
    reference.arguments.push_back({.name = fmt::format("p{}", n), .value = AnyString()});
  }
  for (int n = depth > 2 ? 0 : Below(3); n > 0; --n) {
    reference.children.push_back(AnyReference(depth + 1));
  }
  return reference;
}

PromptText AnyPromptText(std::optional<size_t> after) {
  PromptText text{.text = AnyText(), .after = after};
  if (text.text.blank()) text.text.AppendLiteral("q", 0);
  return text;
}

std::string Dump(const XmlText& text) {
  std::string out = text.blank() ? "blank text\n" : "text\n";
  for (const TextSpan& span : text.spans) {
    out += fmt::format("  marker {} head {} tail {} only space {} '{}'\n",
                       span.marker ? RoleMarkerText(*span.marker) : "none", span.head_space,
                       span.tail_space, span.only_space, span.text);
  }
  return out;
}

std::string Dump(const SchemaContainer& container) {
  std::string out = fmt::format(
      "container {} cached {} ttl {} pinned {} src '{}' description '{}'\n", container.name,
      container.cached, container.lifetime.ttl_ms, container.lifetime.pinned,
      container.src ? container.src->path : "-", container.description);
  for (const SchemaChild& child : container.children) {
    if (const auto* text = std::get_if<XmlText>(&child)) {
      out += Dump(*text);
    } else if (const auto* param = std::get_if<SchemaParam>(&child)) {
      out += fmt::format("param {} {} {} '{}'\n", param->name, param->length,
                         param->scaffold.has_value(), param->scaffold.value_or(""));
    } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
      out += fmt::format("union '{}'\n", group->scaffold);
      for (const auto& member : group->members) out += Dump(*member);
      out += "end of union\n";
    } else {
      out += Dump(*std::get<std::unique_ptr<SchemaContainer>>(child));
    }
  }
  return out + "end of " + container.name + "\n";
}

std::string Dump(const PromptReference& reference) {
  std::string out = fmt::format("reference {}\n", reference.name);
  for (const PromptArgument& argument : reference.arguments) {
    out += fmt::format("argument {} '{}'\n", argument.name, argument.value);
  }
  for (const PromptReference& child : reference.children) out += Dump(child);
  return out + "end of " + reference.name + "\n";
}

}  // namespace

SchemaDocument AnySchema() { return SchemaMaker().Make(); }

PromptDocument AnyPrompt() {
  PromptDocument document{.schema = "s", .version = Maybe() ? "0123abcd" : ""};
  const auto references = static_cast<size_t>(Below(4));
  if (references == 0) document.texts.push_back(AnyPromptText(std::nullopt));
  for (size_t i = 0; i < references; ++i) {
    document.references.push_back(AnyReference(0));
    if (Maybe()) document.texts.push_back(AnyPromptText(i));
  }
  return document;
}

std::string Dump(const SchemaDocument& document) {
  std::string out =
      fmt::format("whitespace {} positions {} encoding {}\n", static_cast<int>(document.whitespace),
                  static_cast<int>(document.positions), static_cast<int>(document.encoding));
  for (const SchemaSet& set : document.sets) {
    out += fmt::format("set {}\n", fmt::join(set.members, " "));
  }
  return out + Dump(document.root);
}

std::string Dump(const PromptDocument& document) {
  std::string out = fmt::format("prompt {} {}\n", document.schema, document.version);
  for (const PromptReference& reference : document.references) out += Dump(reference);
  for (const PromptText& text : document.texts) {
    out += fmt::format("after {}\n", text.after ? static_cast<int>(*text.after) : -1);
    out += Dump(text.text);
  }
  return out;
}

}  // namespace promptcache::testing
