#include "coordinator/pml/schema_builder.h"

#include <algorithm>
#include <charconv>

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

enum class Support : uint8_t { kYes, kNotYet };

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

constexpr int64_t kMaxParamLength = 1 << 24;

std::string_view CanonicalName(std::string_view element) {
  return element == "parameter" ? "param" : element;
}

const std::string* FindAttribute(const XmlElement& element, std::string_view name) {
  for (const XmlAttribute& attribute : element.attributes) {
    if (attribute.name == name) return &attribute.value;
  }
  return nullptr;
}

std::string Joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "/" + name;
}

}  // namespace

void SchemaBuilder::Error(const XmlElement& element, const std::string& path,
                          const std::string& message) {
  std::string where = "<" + element.name + ">";
  if (!path.empty()) where += " in '" + path + "'";
  diagnostics_.Error(element.offset, where + ": " + message);
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
      Error(element, path,
            "unknown attribute '" + attribute.name + "'" + DidYouMean(attribute.name, known));
    } else if (row->support == Support::kNotYet) {
      Error(element, path, "the attribute '" + attribute.name + "' is not supported yet");
    }
  }
}

std::string SchemaBuilder::ReadName(const XmlElement& element, const std::string& path) {
  const std::string* name = FindAttribute(element, "name");
  if (name == nullptr) {
    Error(element, path, "the attribute 'name' is missing");
    return "";
  }
  if (const std::string why = WhyNotAName(*name); !why.empty()) Error(element, path, why);
  return *name;
}

SchemaDocument SchemaBuilder::Build(const XmlElement& root) {
  SchemaDocument document;
  if (root.name != "schema") {
    Error(root, "", "the root of a schema is <schema>, not <" + root.name + ">");
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

void SchemaBuilder::ReadSchemaAttributes(const XmlElement& element, SchemaDocument& document) {
  if (const std::string* value = FindAttribute(element, "description")) {
    document.root.description = *value;
  }
  if (const std::string* value = FindAttribute(element, "whitespace")) {
    if (*value == "reference") {
      document.whitespace = Whitespace::kReference;
    } else if (*value == "indent") {
      document.whitespace = Whitespace::kIndent;
    } else if (*value == "preserve") {
      document.whitespace = Whitespace::kPreserve;
    } else {
      Error(element, "", "whitespace '" + *value + "' is not reference, indent or preserve");
    }
  }
  if (const std::string* value = FindAttribute(element, "positions")) {
    if (*value == "packed") {
      Error(element, "", "positions 'packed' is not supported yet");
    } else if (*value != "schema") {
      Error(element, "", "positions '" + *value + "' is not schema or packed");
    }
  }
  if (const std::string* value = FindAttribute(element, "encoding")) {
    if (*value == "anchored") {
      document.encoding = EncodingMode::kAnchored;
    } else if (*value == "independent") {
      document.encoding = EncodingMode::kIndependent;
    } else if (*value == "schema") {
      Error(element, "", "encoding 'schema' is not supported yet");
    } else {
      Error(element, "", "encoding '" + *value + "' is not anchored, independent or schema");
    }
  }
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
      Error(child, path, "parameters are not allowed in a schema, only in modules");
    } else if (CanonicalName(child.name) == "param") {
      into.children.emplace_back(ReadParam(child, path, params));
    } else if (child.name == "scaffold" && is_schema) {
      Error(child, path, "scaffold sets are not supported yet");
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
  Error(element, path,
        known ? "this element is not allowed here"
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
  module->cached = parent_is_cached;
  if (!module->name.empty() && !scope.insert(module->name).second) {
    Error(element, path, "the module '" + module->name + "' is already defined in this scope");
  }
  if (++units_ == limits_.units + 1) {
    Error(element, path, "more than " + std::to_string(limits_.units) + " units in a schema");
  }
  if (const std::string* value = FindAttribute(element, "description")) {
    module->description = *value;
  }
  if (const std::string* value = FindAttribute(element, "cache")) {
    if (*value != "true" && *value != "false") {
      Error(element, path, "cache '" + *value + "' is not true or false");
    } else if (*value == "true" && !parent_is_cached) {
      Error(element, path, "cache 'true' inside a module with cache 'false'");
    }
    module->cached = parent_is_cached && *value == "true";
  }
  ReadChildren(element, Joined(path, module->name), *module);
  return module;
}

SchemaUnion SchemaBuilder::ReadUnion(const XmlElement& element, const std::string& path,
                                     bool parent_is_cached, NameScope& scope) {
  CheckAttributes(element, path);
  SchemaUnion result{.offset = element.offset};
  for (const XmlNode& node : element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      if (!text->blank()) {
        diagnostics_.Error(text->content_offset(),
                           "text in a <union> in '" + path + "': only modules are allowed");
      }
      continue;
    }
    const XmlElement& child = *std::get<std::unique_ptr<XmlElement>>(node);
    if (child.name == "module") {
      result.members.push_back(ReadModule(child, path, parent_is_cached, scope));
    } else {
      Error(child, path, "only <module> is allowed in a <union>");
    }
  }
  if (const std::string* scaffold = FindAttribute(element, "scaffold")) {
    result.scaffold = *scaffold;
    const bool found = std::any_of(result.members.begin(), result.members.end(),
                                   [&](const auto& member) { return member->name == *scaffold; });
    if (!found) Error(element, path, "the scaffold '" + *scaffold + "' is no member of the union");
  }
  return result;
}

SchemaParam SchemaBuilder::ReadParam(const XmlElement& element, const std::string& path,
                                     NameScope& scope) {
  CheckAttributes(element, path);
  SchemaParam param{.name = ReadName(element, path), .offset = element.offset};
  if (!param.name.empty() && !scope.insert(param.name).second) {
    Error(element, path, "the parameter '" + param.name + "' is already defined in this module");
  }
  const std::string* length = FindAttribute(element, "length");
  const std::string* len = FindAttribute(element, "len");
  if (length != nullptr && len != nullptr) {
    Error(element, path, "parameter '" + param.name + "' has both 'length' and 'len'");
  }
  if (length == nullptr) length = len;
  if (length == nullptr) {
    Error(element, path, "parameter '" + param.name + "' has no length (in tokens)");
    return param;
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), value);
  if (error != std::errc() || end != length->data() + length->size() || value < 1 ||
      value > kMaxParamLength) {
    Error(element, path,
          "parameter '" + param.name + "': length '" + *length +
              "' is not a number of tokens from 1 to " + std::to_string(kMaxParamLength));
  } else {
    param.length = static_cast<uint32_t>(value);
  }
  for (const XmlNode& node : element.children) {
    const XmlText* text = std::get_if<XmlText>(&node);
    if (text == nullptr || !text->blank()) {
      Error(element, path, "parameter '" + param.name + "' has content; it must be empty");
      break;
    }
  }
  return param;
}

}  // namespace promptcache
