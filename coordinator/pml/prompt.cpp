#include "coordinator/pml/prompt.h"

#include "coordinator/pml/names.h"

namespace promptcache {
namespace {

PromptReference ReadReference(const XmlElement& element, Diagnostics& diagnostics) {
  PromptReference reference{.name = element.name, .offset = element.offset};
  for (const XmlAttribute& attribute : element.attributes) {
    reference.arguments.push_back({attribute.name, attribute.value});
  }
  for (const XmlNode& node : element.children) {
    if (const XmlText* text = std::get_if<XmlText>(&node)) {
      if (!text->blank()) {
        diagnostics.Error(text->content_offset(),
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
  bool found = false;
  for (const XmlAttribute& attribute : root.attributes) {
    if (attribute.name != "schema") {
      diagnostics.Error(root.offset, "<prompt>: unknown attribute '" + attribute.name +
                                         "'; it has 'schema' only");
      continue;
    }
    found = true;
    const size_t at = attribute.value.find('@');
    document.schema = attribute.value.substr(0, at);
    if (at != std::string::npos) document.version = attribute.value.substr(at + 1);
    if (const std::string why = WhyNotAName(document.schema); !why.empty()) {
      diagnostics.Error(root.offset, "<prompt>: schema: " + why);
    }
  }
  if (!found) diagnostics.Error(root.offset, "<prompt>: the attribute 'schema' is missing");
}

PromptDocument ReadPrompt(const XmlElement& root, Diagnostics& diagnostics) {
  PromptDocument document;
  if (root.name != "prompt") {
    diagnostics.Error(root.offset, "the root of a prompt is <prompt>, not <" + root.name + ">");
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
    diagnostics.Error(document.texts[0].text.content_offset(),
                      "text before the first reference; put it after one");
  }
  if (document.references.empty() && document.texts.empty()) {
    diagnostics.Error(root.offset, "the prompt is empty: it imports nothing and has no text");
  }
  return document;
}

}  // namespace

Result<PromptDocument> ParsePrompt(const PmlSource& source, const PmlLimits& limits) {
  Diagnostics diagnostics(source);
  const std::unique_ptr<XmlElement> tree = ParseXml(source, limits, diagnostics);
  if (!tree) return diagnostics.ToStatus();
  PromptDocument document = ReadPrompt(*tree, diagnostics);
  if (!diagnostics.ok()) return diagnostics.ToStatus();
  return document;
}

}  // namespace promptcache
