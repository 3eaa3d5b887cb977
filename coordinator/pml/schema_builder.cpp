#include "coordinator/pml/schema_builder.h"

#include <algorithm>
#include <charconv>

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

// Every attribute of every element, once. A new attribute is a row here and a reader below.
struct AttributeRow {
  const char* element;
  const char* name;
  Support support;
};
constexpr AttributeRow kAttributes[] = {
    {"schema", "name", Support::kYes},       {"schema", "src", Support::kNotYet},
    {"schema", "whitespace", Support::kYes}, {"schema", "positions", Support::kYes},
    {"schema", "encoding", Support::kYes},   {"schema", "ttl", Support::kNotYet},
    {"schema", "pin", Support::kNotYet},     {"schema", "description", Support::kYes},
    {"module", "name", Support::kYes},       {"module", "src", Support::kNotYet},
    {"module", "cache", Support::kYes},      {"module", "ttl", Support::kNotYet},
    {"module", "pin", Support::kNotYet},     {"module", "description", Support::kYes},
    {"union", "scaffold", Support::kYes},    {"param", "name", Support::kYes},
    {"param", "length", Support::kYes},      {"param", "len", Support::kYes},
    {"param", "scaffold", Support::kNotYet},
};

constexpr Choice<Whitespace> kWhitespaces[] = {
    {"reference", Whitespace::kReference},
    {"indent", Whitespace::kIndent},
    {"preserve", Whitespace::kPreserve},
};
constexpr Choice<Positions> kPositions[] = {
    {"schema", Positions::kSchema},
    {"packed", Positions::kPacked, Support::kNotYet},
};
constexpr Choice<EncodingMode> kEncodings[] = {
    {"anchored", EncodingMode::kAnchored},
    {"independent", EncodingMode::kIndependent},
    {"schema", EncodingMode::kSchema, Support::kNotYet},
};

constexpr int64_t kMaxParamLength = 1 << 24;

std::string_view CanonicalName(std::string_view element) {
  return element == "parameter" ? "param" : element;
}

std::string Joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "/" + name;
}

}  // namespace

void SchemaBuilder::Error(const Place& place, std::string_view id, const std::string& message) {
  std::string where = "<" + place.element.name + ">";
  if (!place.path.empty()) where += " in '" + place.path + "'";
  diagnostics_.Error(place.offset, id, where + ": " + message);
}

void SchemaBuilder::CheckAttributes(const XmlElement& element, const std::string& path) {
  const std::string_view canonical = CanonicalName(element.name);
  std::vector<std::string> known;
  for (const AttributeRow& row : kAttributes) {
    if (row.element == canonical) known.emplace_back(row.name);
  }
  for (const XmlAttribute& attribute : element.attributes) {
    const auto* row = std::find_if(
        std::begin(kAttributes), std::end(kAttributes), [&](const AttributeRow& candidate) {
          return candidate.element == canonical && candidate.name == attribute.name;
        });
    if (row == std::end(kAttributes)) {
      Error(At(attribute, element, path), "unknown-attribute",
            "unknown attribute " + Quoted(attribute.name) + DidYouMean(attribute.name, known));
    } else if (row->support == Support::kNotYet) {
      Error(At(attribute, element, path), "not-supported",
            "the attribute '" + attribute.name + "' is not supported yet");
    }
  }
}

std::string SchemaBuilder::ReadName(const XmlElement& element, const std::string& path) {
  const XmlAttribute* name = element.Find("name");
  if (name == nullptr) {
    Error(At(element, path), "missing-attribute", "the attribute 'name' is missing");
    return "";
  }
  std::string why = WhyNotAName(name->value);
  if (why.empty() && name->value.size() > limits_.name_bytes) {
    why = "the name has " + std::to_string(name->value.size()) + " bytes; the limit is " +
          std::to_string(limits_.name_bytes);
  }
  if (why.empty()) return name->value;
  Error(At(*name, element, path), "bad-name", why);
  return "";
}

SchemaDocument SchemaBuilder::Build(const XmlElement& root) {
  SchemaDocument document;
  if (root.name != "schema") {
    Error(At(root, ""), "wrong-root", "the root of a schema is <schema>");
    return document;
  }
  CheckAttributes(root, "");
  document.root.name = ReadName(root, "");
  document.root.offset = root.offset;
  ReadSchemaAttributes(root, document);
  units_ = 1;
  ReadChildren(root, document.root.name, document.root);
  return document;
}

template <typename T>
void SchemaBuilder::ReadChoice(const XmlElement& element, std::string_view attribute,
                               std::span<const Choice<T>> choices, T& value) {
  const XmlAttribute* given = element.Find(attribute);
  if (given == nullptr) return;
  std::string known;
  for (const Choice<T>& choice : choices) {
    known += (known.empty() ? "" : ", ") + std::string(choice.name);
    if (given->value != choice.name) continue;
    if (choice.support == Support::kNotYet) {
      Error(At(*given, element, ""), "not-supported",
            given->name + " '" + given->value + "' is not supported yet");
    }
    value = choice.value;
    return;
  }
  Error(At(*given, element, ""), "bad-value",
        given->name + " " + Quoted(given->value) + " is not one of " + known);
}

void SchemaBuilder::ReadSchemaAttributes(const XmlElement& element, SchemaDocument& document) {
  if (const XmlAttribute* description = element.Find("description")) {
    document.root.description = description->value;
  }
  ReadChoice<Whitespace>(element, "whitespace", kWhitespaces, document.whitespace);
  ReadChoice<Positions>(element, "positions", kPositions, document.positions);
  ReadChoice<EncodingMode>(element, "encoding", kEncodings, document.encoding);
}

void SchemaBuilder::ReadChildren(const XmlElement& element, const std::string& path,
                                 SchemaContainer& into) {
  NameScope modules;
  NameScope params;
  const bool is_schema = element.name == "schema";
  for (const XmlNode& node : element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      into.children.emplace_back(*text);
      continue;
    }
    const XmlElement& child = *std::get<std::unique_ptr<XmlElement>>(node);
    if (child.name == "module") {
      into.children.emplace_back(ReadModule(child, path, into.cached, modules));
    } else if (child.name == "union") {
      into.children.emplace_back(ReadUnion(child, path, into.cached, modules));
    } else if (CanonicalName(child.name) == "param" && is_schema) {
      Error(At(child, path), "param-in-schema",
            "parameters are not allowed in a schema, only in modules");
    } else if (CanonicalName(child.name) == "param") {
      into.children.emplace_back(ReadParam(child, path, params));
    } else if (child.name == "scaffold" && is_schema) {
      Error(At(child, path), "not-supported", "scaffold sets are not supported yet");
    } else {
      UnknownElement(child, path);
    }
  }
}

void SchemaBuilder::UnknownElement(const XmlElement& element, const std::string& path) {
  static const std::vector<std::string> kElements = {"module", "union", "param", "parameter"};
  const bool known =
      std::find(kElements.begin(), kElements.end(), element.name) != kElements.end() ||
      element.name == "schema" || element.name == "scaffold";
  const bool marker =
      element.name == "system" || element.name == "user" || element.name == "assistant";
  Error(At(element, path), known ? "misplaced-element" : "unknown-element",
        known ? "this element is not allowed here"
        : marker
            ? "a role marker has no attributes and no white space inside: <" + element.name + ">"
            : "unknown element" + DidYouMean(element.name, kElements) +
                  " (write &lt; for a literal '<')");
}

std::unique_ptr<SchemaContainer> SchemaBuilder::ReadModule(const XmlElement& element,
                                                           const std::string& path,
                                                           bool parent_is_cached,
                                                           NameScope& scope) {
  CheckAttributes(element, path);
  auto module = std::make_unique<SchemaContainer>();
  module->name = ReadName(element, path);
  module->offset = element.offset;
  if (!module->name.empty() && !scope.insert(module->name).second) {
    Error(At(element, path), "duplicate-module",
          "the module '" + module->name + "' is already defined in this scope");
  }
  if (++units_ == limits_.units + 1) {
    Error(At(element, path), "limit-units",
          "more than " + std::to_string(limits_.units) + " units in a schema");
  }
  if (const XmlAttribute* description = element.Find("description")) {
    module->description = description->value;
  }
  module->cached = ReadCached(element, path, parent_is_cached);
  ReadChildren(element, Joined(path, module->name), *module);
  return module;
}

bool SchemaBuilder::ReadCached(const XmlElement& element, const std::string& path,
                               bool parent_is_cached) {
  const XmlAttribute* cache = element.Find("cache");
  if (cache == nullptr) return parent_is_cached;
  if (cache->value != "true" && cache->value != "false") {
    Error(At(*cache, element, path), "bad-value",
          "cache " + Quoted(cache->value) + " is not one of true, false");
  } else if (cache->value == "true" && !parent_is_cached) {
    Error(At(*cache, element, path), "cache-inside-uncached",
          "cache 'true' inside a module with cache 'false'");
  }
  return parent_is_cached && cache->value == "true";
}

SchemaUnion SchemaBuilder::ReadUnion(const XmlElement& element, const std::string& path,
                                     bool parent_is_cached, NameScope& scope) {
  CheckAttributes(element, path);
  SchemaUnion result{.offset = element.offset};
  for (const XmlNode& node : element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      if (!text->blank()) {
        diagnostics_.Error(*text->content_offset, "text-in-union",
                           "text in a <union> in '" + path + "': only modules are allowed");
      }
      continue;
    }
    const XmlElement& child = *std::get<std::unique_ptr<XmlElement>>(node);
    if (child.name == "module") {
      result.members.push_back(ReadModule(child, path, parent_is_cached, scope));
    } else {
      Error(At(child, path), "misplaced-element", "only <module> is allowed in a <union>");
    }
  }
  if (const XmlAttribute* scaffold = element.Find("scaffold")) {
    result.scaffold = scaffold->value;
    const bool found =
        std::any_of(result.members.begin(), result.members.end(),
                    [&](const auto& member) { return member->name == scaffold->value; });
    if (!found) {
      Error(At(*scaffold, element, path), "bad-value",
            "the scaffold " + Quoted(scaffold->value) + " is no member of the union");
    }
  }
  return result;
}

SchemaParam SchemaBuilder::ReadParam(const XmlElement& element, const std::string& path,
                                     NameScope& scope) {
  CheckAttributes(element, path);
  SchemaParam param{.name = ReadName(element, path), .offset = element.offset};
  if (!param.name.empty() && !scope.insert(param.name).second) {
    Error(At(element, path), "duplicate-param",
          "the parameter '" + param.name + "' is already defined in this module");
  }
  param.length = ReadLength(element, path, param.name);
  for (const XmlNode& node : element.children) {
    const XmlText* text = std::get_if<XmlText>(&node);
    if (text == nullptr || !text->blank()) {
      Error(At(element, path), "content-in-param",
            "the parameter '" + param.name + "' has content; it must be empty");
      break;
    }
  }
  return param;
}

uint32_t SchemaBuilder::ReadLength(const XmlElement& element, const std::string& path,
                                   const std::string& name) {
  const XmlAttribute* length = element.Find("length");
  const XmlAttribute* len = element.Find("len");
  if (length != nullptr && len != nullptr) {
    Error(At(*len, element, path), "param-length",
          "the parameter '" + name + "' has both 'length' and 'len'");
  }
  if (length == nullptr) length = len;
  if (length == nullptr) {
    Error(At(element, path), "param-length",
          "the parameter '" + name + "' has no length (in tokens)");
    return 1;
  }
  const std::string& text = length->value;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || value < 1 || value > kMaxParamLength) {
    Error(At(*length, element, path), "param-length",
          "the parameter '" + name + "': length " + Quoted(text) +
              " is not a number of tokens from 1 to " + std::to_string(kMaxParamLength));
    return 1;
  }
  return static_cast<uint32_t>(value);
}

}  // namespace promptcache
