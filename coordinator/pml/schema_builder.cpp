#include "coordinator/pml/schema_builder.h"

#include <algorithm>

#include "coordinator/pml/names.h"
#include "coordinator/pml/schema_sets.h"
#include "coordinator/pml/sources.h"

namespace promptcache {
namespace {

struct ContentRow {
  std::string_view element;
  std::string_view holds;
};
constexpr ContentRow kContent[] = {
    {"schema", "text, <module>, <union> and <scaffold>"},
    {"module", "text, <module>, <union> and <param>"},
    {"union", "<module> only"},
};

// Of an element that is no param or scaffold: those are empty.
std::string_view ContentOf(std::string_view element) {
  return std::find_if(std::begin(kContent), std::end(kContent),
                      [&](const ContentRow& row) { return row.element == element; })
      ->holds;
}

std::string Joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "/" + name;
}

// The value's index among the attribute's choices; the first when it is missing or wrong.
template <typename T>
T ReadChoice(const XmlElement& element, std::string_view attribute, T first) {
  const auto& choices = FindAttribute(element.name, attribute)->choices;
  const auto found = std::find(choices.begin(), choices.end(), element.ValueOf(attribute));
  const auto index = found == choices.end() ? 0 : found - choices.begin();
  return static_cast<T>(static_cast<int>(first) + static_cast<int>(index));
}

// Behind a text, or behind a set behind a text, it is the same text that goes on.
void AddText(XmlText text, std::vector<SchemaChild>& children) {
  XmlText* last = children.empty() ? nullptr : std::get_if<XmlText>(&children.back());
  if (last == nullptr) {
    children.emplace_back(std::move(text));
  } else {
    last->Append(text);
  }
}

}  // namespace

SchemaDocument SchemaBuilder::Build(XmlElement& root) {
  SchemaDocument document;
  const std::string nothing;
  const Spot spot{root, nothing};
  if (root.name != "schema") {
    Report(spot, root.offset, PmlId::kWrongSchemaRoot);
    return document;
  }
  CountUnit(spot);
  ReadContainer(spot, {}, document.root);
  ReadSchemaAttributes(root, document);
  ReadChildren(spot, document.root);
  ReadSets(sets_, document, diagnostics_);
  return document;
}

void SchemaBuilder::ReadSchemaAttributes(const XmlElement& root, SchemaDocument& document) {
  document.whitespace = ReadChoice(root, "whitespace", Whitespace::kReference);
  document.positions = ReadChoice(root, "positions", Positions::kSchema);
  document.encoding = ReadChoice(root, "encoding", EncodingMode::kAnchored);
}

void SchemaBuilder::CheckAttributes(const Spot& spot) {
  const std::string_view element = CanonicalElement(spot.element.name);
  for (const XmlAttribute& attribute : spot.element.attributes) {
    if (const AttributeRow* row = FindAttribute(element, attribute.name)) {
      CheckValue(spot, attribute, *row);
      continue;
    }
    std::vector<std::string> known;
    for (const AttributeRow& row : SchemaAttributes()) {
      if (row.element == element) known.emplace_back(row.name);
    }
    Report(spot, attribute.offset, PmlId::kUnknownAttribute, Quoted(attribute.name),
           DidYouMean(attribute.name, known));
  }
  for (const AttributeRow& row : SchemaAttributes()) {
    if (row.element != element || row.presence == Presence::kOptional) continue;
    if (spot.element.Find(row.name) == nullptr) {
      Report(spot, spot.element.offset, PmlId::kMissingAttribute, row.name);
    }
  }
}

void SchemaBuilder::CheckValue(const Spot& spot, const XmlAttribute& attribute,
                               const AttributeRow& row) {
  if (row.kind == AttributeKind::kName) return CheckName(spot, attribute);
  if (row.kind == AttributeKind::kPath) {
    const std::string why = WhyNotASourcePath(attribute.value);
    if (LeavesItsFolder(attribute.value)) {
      Report(spot, attribute.offset, PmlId::kSourceOutside, Quoted(attribute.value));
    } else if (!why.empty()) {
      Report(spot, attribute.offset, PmlId::kSourcePath, Quoted(attribute.value), why);
    }
    return;
  }
  const std::string not_this = WhatItIsNot(row, attribute.value);
  if (not_this.empty()) return;
  Report(spot, attribute.offset, PmlId::kBadValue, attribute.name, Quoted(attribute.value),
         not_this);
}

void SchemaBuilder::CheckName(const Spot& spot, const XmlAttribute& name) {
  std::string why = WhyNotAName(name.value);
  if (why.empty() && name.value.size() > limits_.name_bytes) {
    why = "the name has " + std::to_string(name.value.size()) + " bytes; the limit is " +
          std::to_string(limits_.name_bytes);
  }
  if (!why.empty()) Report(spot, name.offset, PmlId::kBadName, why);
}

void SchemaBuilder::CheckEmpty(const Spot& spot, PmlId id) {
  for (const XmlNode& node : spot.element.children) {
    const XmlText* text = std::get_if<XmlText>(&node);
    if (text != nullptr && text->blank()) continue;
    Report(spot,
           text != nullptr ? *text->content_offset
                           : std::get<std::unique_ptr<XmlElement>>(node)->offset,
           id);
    return;
  }
}

void SchemaBuilder::CountUnit(const Spot& spot) {
  if (++units_ == limits_.units + 1) {
    Report(spot, spot.element.offset, PmlId::kLimitUnits, limits_.units);
  }
}

void SchemaBuilder::CountPath(const Spot& spot, size_t bytes) {
  const size_t offset = spot.element.offset;
  // Modules inside one that was refused are not refused once more.
  if (bytes > limits_.path_bytes && spot.path.size() <= limits_.path_bytes) {
    Report(spot, offset, PmlId::kLimitPath, bytes, limits_.path_bytes);
  }
  const bool was_below = path_bytes_ <= limits_.all_path_bytes;
  path_bytes_ += bytes;
  if (was_below && path_bytes_ > limits_.all_path_bytes) {
    Report(spot, offset, PmlId::kLimitAllPaths, limits_.all_path_bytes);
  }
}

void SchemaBuilder::TakeName(const Spot& spot, Names& taken, PmlId id) {
  const std::string_view name = spot.element.ValueOf("name");
  if (name.empty()) return;  // reported
  const auto [first, is_new] = taken.emplace(name, spot.element.offset);
  if (!is_new) Report(spot, spot.element.offset, id, diagnostics_.LineOf(first->second));
}

void SchemaBuilder::ReadContainer(const Spot& spot, const SchemaContainer& parent,
                                  SchemaContainer& into) {
  CheckAttributes(spot);
  into.name = spot.element.ValueOf("name");
  into.description = spot.element.ValueOf("description");
  into.offset = spot.element.offset;
  if (const XmlAttribute* src = spot.element.Find("src")) {
    into.src = SchemaSource{.path = src->value, .offset = src->offset};
  }
  into.lifetime = parent.lifetime;
  if (const auto ttl = ParseDurationMs(spot.element.ValueOf("ttl"))) into.lifetime.ttl_ms = *ttl;
  if (const auto pin = ParseFlag(spot.element.ValueOf("pin"))) into.lifetime.pinned = *pin;
}

void SchemaBuilder::ReadChildren(const Spot& spot, SchemaContainer& into) {
  Scope scope{.container = into};
  const std::string path = Joined(spot.path, into.name);
  CountPath(spot, path.size());
  for (XmlNode& node : spot.element.children) {
    if (XmlText* text = std::get_if<XmlText>(&node)) {
      AddText(std::move(*text), into.children);
    } else {
      ReadChild({*std::get<std::unique_ptr<XmlElement>>(node), path}, spot.element, scope);
    }
  }
}

void SchemaBuilder::ReadChild(const Spot& child, const XmlElement& parent, Scope& scope) {
  auto& children = scope.container.children;
  const std::string_view kind = CanonicalElement(child.element.name);
  const bool in_schema = parent.name == "schema";
  if (kind == "module") {
    children.emplace_back(ReadModule(child, scope));
  } else if (kind == "union") {
    children.emplace_back(ReadUnion(child, scope));
  } else if (kind == "param" && !in_schema) {
    children.emplace_back(ReadParam(child, scope));
  } else if (kind == "scaffold" && in_schema) {
    ReadSet(child);
  } else {
    RefuseElement(child, parent);
  }
}

void SchemaBuilder::RefuseElement(const Spot& child, const XmlElement& parent) {
  static const std::vector<std::string> kElements = {"module",    "union",  "param",
                                                     "parameter", "schema", "scaffold"};
  const XmlElement& element = child.element;
  if (CanonicalElement(element.name) == "param" && parent.name == "schema") {
    Report(child, element.offset, PmlId::kParamInSchema);
  } else if (std::find(kElements.begin(), kElements.end(), element.name) != kElements.end()) {
    Report(child, element.offset, PmlId::kMisplacedElement, parent.name, ContentOf(parent.name));
  } else if (IsRoleName(element.name)) {
    Report(child, element.offset, PmlId::kMarkerSpelling, element.name);
  } else {
    Report(child, element.offset, PmlId::kUnknownElement, DidYouMean(element.name, kElements));
  }
}

std::unique_ptr<SchemaContainer> SchemaBuilder::ReadModule(const Spot& spot, Scope& scope) {
  CountUnit(spot);
  auto module = std::make_unique<SchemaContainer>();
  ReadContainer(spot, scope.container, *module);
  TakeName(spot, scope.modules, PmlId::kDuplicateModule);
  module->cached = ReadCached(spot, scope.container);
  ReadChildren(spot, *module);
  return module;
}

bool SchemaBuilder::ReadCached(const Spot& spot, const SchemaContainer& parent) {
  const XmlAttribute* cache = spot.element.Find("cache");
  const auto cached = ParseFlag(spot.element.ValueOf("cache"));
  if (cached == true && !parent.cached) {
    Report(spot, cache->offset, PmlId::kCacheInsideUncached);
  }
  return cached.value_or(true) && parent.cached;
}

SchemaUnion SchemaBuilder::ReadUnion(const Spot& spot, Scope& scope) {
  CheckAttributes(spot);
  SchemaUnion group{.offset = spot.element.offset};
  for (const XmlNode& node : spot.element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      if (!text->blank()) Report(spot, *text->content_offset, PmlId::kTextInUnion);
      continue;
    }
    const Spot child{*std::get<std::unique_ptr<XmlElement>>(node), spot.path};
    if (child.element.name == "module") {
      group.members.push_back(ReadModule(child, scope));
    } else {
      RefuseElement(child, spot.element);
    }
  }
  ReadUnionScaffold(spot, group);
  return group;
}

void SchemaBuilder::ReadUnionScaffold(const Spot& spot, SchemaUnion& group) {
  const XmlAttribute* scaffold = spot.element.Find("scaffold");
  if (scaffold == nullptr) return;
  group.scaffold = scaffold->value;
  std::vector<std::string> names;
  for (const auto& member : group.members) names.push_back(member->name);
  if (std::find(names.begin(), names.end(), group.scaffold) != names.end()) return;
  Report(spot, scaffold->offset, PmlId::kUnionScaffold, Quoted(group.scaffold),
         DidYouMean(group.scaffold, names));
}

SchemaParam SchemaBuilder::ReadParam(const Spot& spot, Scope& scope) {
  CheckAttributes(spot);
  TakeName(spot, scope.params, PmlId::kDuplicateParam);
  CheckEmpty(spot, PmlId::kParamContent);
  const XmlElement& element = spot.element;
  SchemaParam param{.name = std::string(element.ValueOf("name")), .offset = element.offset};
  if (const XmlAttribute* scaffold = element.Find("scaffold")) {
    param.scaffold = scaffold->value;
    param.scaffold_offset = scaffold->offset;
  }
  const XmlAttribute* length = element.Find("length");
  const XmlAttribute* len = element.Find("len");
  if (length != nullptr && len != nullptr) {
    Report(spot, len->offset, PmlId::kParamLength, "both 'length' and 'len'");
  } else if (length == nullptr && len == nullptr) {
    Report(spot, element.offset, PmlId::kParamLength, "no length");
  } else {
    param.length = ParseTokenCount((length != nullptr ? length : len)->value).value_or(1);
  }
  return param;
}

void SchemaBuilder::ReadSet(const Spot& spot) {
  CountUnit(spot);
  CheckAttributes(spot);
  CheckEmpty(spot, PmlId::kSetContent);
  CountPath(spot, Joined(spot.path, "{}").size() + spot.element.ValueOf("modules").size());
  sets_.push_back(&spot.element);
}

}  // namespace promptcache
