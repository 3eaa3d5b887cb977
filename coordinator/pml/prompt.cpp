#include "coordinator/pml/prompt.h"

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

PromptReference ReadReference(const XmlElement& element, Diagnostics& diagnostics) {
  PromptReference reference{.name = element.name, .offset = element.offset};
  for (const XmlAttribute& attribute : element.attributes) {
    reference.arguments.push_back({attribute.name, attribute.value, attribute.offset});
  }
  for (const XmlNode& node : element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      if (!text->blank()) {
        diagnostics.Error(*text->content_offset, "text-in-reference",
                          "text inside the reference <" + element.name +
                              ">: a reference holds references to its own modules only");
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
      diagnostics.Error(
          attribute.offset, "unknown-attribute",
          "<prompt>: unknown attribute " + Quoted(attribute.name) + "; it has 'schema' only");
    }
  }
  const XmlAttribute* schema = root.Find("schema");
  if (schema == nullptr) {
    diagnostics.Error(root.offset, "missing-attribute",
                      "<prompt>: the attribute 'schema' is missing");
    return;
  }
  const size_t at = schema->value.find('@');
  document.schema = schema->value.substr(0, at);
  if (const std::string why = WhyNotAName(document.schema); !why.empty()) {
    diagnostics.Error(schema->offset, "bad-name", "<prompt>: schema: " + why);
  }
  if (at == std::string::npos) return;
  document.version = schema->value.substr(at + 1);
  if (document.version.empty()) {
    diagnostics.Error(schema->offset, "bad-value",
                      "<prompt>: schema: no version behind the '@'; leave both out for the "
                      "current one");
  }
}

PromptDocument ReadPrompt(const XmlElement& root, Diagnostics& diagnostics) {
  PromptDocument document;
  if (root.name != "prompt") {
    diagnostics.Error(root.offset, "wrong-root",
                      "the root of a prompt is <prompt>, not <" + root.name + ">");
    return document;
  }
  ReadSchemaAttribute(root, diagnostics, document);
  for (const XmlNode& node : root.children) {
    if (const auto* element = std::get_if<std::unique_ptr<XmlElement>>(&node)) {
      document.references.push_back(ReadReference(**element, diagnostics));
      continue;
    }
    const XmlText& text = std::get<XmlText>(node);
    if (text.blank()) continue;
    PromptText entry{.text = text};
    if (!document.references.empty()) entry.after = document.references.size() - 1;
    document.texts.push_back(std::move(entry));
  }
  if (!document.references.empty() && !document.texts.empty() && !document.texts[0].after) {
    diagnostics.Error(*document.texts[0].text.content_offset, "text-before-reference",
                      "text before the first reference; put it after one");
  }
  if (document.references.empty() && document.texts.empty()) {
    diagnostics.Error(root.offset, "empty-prompt",
                      "the prompt is empty: it imports nothing and has no text");
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
