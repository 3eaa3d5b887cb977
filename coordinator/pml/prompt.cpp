#include "coordinator/pml/prompt.h"

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

PromptReference ReadReference(const XmlElement& element, Diagnostics& diagnostics) {
  PromptReference reference{.name = element.name, .offset = element.offset};
  if (IsRoleName(element.name)) {
    diagnostics.Report(element.offset, PmlId::kPromptMarkerSpelling, element.name);
    return reference;
  }
  for (const XmlAttribute& attribute : element.attributes) {
    reference.arguments.push_back({attribute.name, attribute.value, attribute.offset});
  }
  for (const XmlNode& node : element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      if (!text->blank()) {
        diagnostics.Report(*text->content_offset, PmlId::kTextInReference, element.name);
      }
      continue;
    }
    reference.children.push_back(
        ReadReference(*std::get<std::unique_ptr<XmlElement>>(node), diagnostics));
  }
  return reference;
}

void ReadSchemaAttribute(const XmlElement& root, Diagnostics& diagnostics,
                         PromptDocument& document) {
  for (const XmlAttribute& attribute : root.attributes) {
    if (attribute.name != "schema") {
      diagnostics.Report(attribute.offset, PmlId::kPromptAttribute, Quoted(attribute.name));
    }
  }
  const XmlAttribute* schema = root.Find("schema");
  if (schema == nullptr) {
    diagnostics.Report(root.offset, PmlId::kPromptSchemaMissing);
    return;
  }
  document.schema_offset = schema->offset;
  const size_t at = schema->value.find('@');
  document.schema = schema->value.substr(0, at);
  if (const std::string why = WhyNotAName(document.schema); !why.empty()) {
    diagnostics.Report(schema->offset, PmlId::kPromptSchemaName, why);
  }
  if (at == std::string::npos) return;
  document.version = schema->value.substr(at + 1);
  if (document.version.empty()) diagnostics.Report(schema->offset, PmlId::kPromptVersion);
}

PromptDocument ReadPrompt(XmlElement& root, Diagnostics& diagnostics) {
  PromptDocument document{.offset = root.offset};
  if (root.name != "prompt") {
    diagnostics.Report(root.offset, PmlId::kWrongPromptRoot, root.name);
    return document;
  }
  ReadSchemaAttribute(root, diagnostics, document);
  for (XmlNode& node : root.children) {
    if (const auto* element = std::get_if<std::unique_ptr<XmlElement>>(&node)) {
      document.references.push_back(ReadReference(**element, diagnostics));
      continue;
    }
    XmlText& text = std::get<XmlText>(node);
    if (text.blank()) continue;
    PromptText entry{.text = std::move(text)};
    if (!document.references.empty()) entry.after = document.references.size() - 1;
    document.texts.push_back(std::move(entry));
  }
  if (!document.references.empty() && !document.texts.empty() && !document.texts[0].after) {
    diagnostics.Report(*document.texts[0].text.content_offset, PmlId::kTextBeforeReference);
  }
  if (document.references.empty() && document.texts.empty()) {
    diagnostics.Report(root.offset, PmlId::kEmptyPrompt);
  }
  return document;
}

}  // namespace

std::optional<PromptDocument> ParsePrompt(const PmlSource& source, const PmlLimits& limits,
                                          Diagnostics& diagnostics) {
  const std::unique_ptr<XmlElement> tree = ParseXml(source, limits, diagnostics);
  if (!tree) return std::nullopt;
  PromptDocument document = ReadPrompt(*tree, diagnostics);
  if (!diagnostics.ok()) return std::nullopt;
  return document;
}

Result<PromptDocument> ParsePrompt(const PmlSource& source, const PmlLimits& limits) {
  Diagnostics diagnostics(source);
  auto document = ParsePrompt(source, limits, diagnostics);
  if (!document) return diagnostics.ToStatus();
  return *std::move(document);
}

}  // namespace promptcache
