#include "coordinator/pml/printer.h"

#include <fmt/format.h>

#include "common/text/utf8.h"
#include "coordinator/pml/attributes.h"
#include "coordinator/pml/markup.h"

namespace promptcache {
namespace {

std::string CharacterReference(char32_t code) {
  return fmt::format("&#{};", static_cast<uint32_t>(code));
}

// ' name="value"'. What XML would make a space of is a reference.
std::string Attribute(std::string_view name, std::string_view value) {
  std::string text = fmt::format(" {}=\"", name);
  for (const char c : value) {
    if (c == '&') {
      text += "&amp;";
    } else if (c == '<') {
      text += "&lt;";
    } else if (c == '"' || c == '\t' || c == '\n' || c == '\r') {
      text += CharacterReference(static_cast<unsigned char>(c));
    } else {
      text.push_back(c);
    }
  }
  return text + "\"";
}

std::string OptionalAttribute(std::string_view name, std::string_view value) {
  return value.empty() ? "" : Attribute(name, value);
}

// Of a choice whose default is `first`.
template <typename T>
std::string ChoiceAttribute(std::string_view name, T first, T chosen) {
  if (chosen == first) return "";
  const auto index = static_cast<size_t>(chosen) - static_cast<size_t>(first);
  return Attribute(name, FindAttribute("schema", name)->choices[index]);
}

std::string Duration(uint64_t ms) {
  constexpr uint64_t kMinute = 60'000;
  constexpr uint64_t kHour = 60 * kMinute;
  constexpr uint64_t kDay = 24 * kHour;
  if (ms % kDay == 0) return fmt::format("{}d", ms / kDay);
  if (ms % kHour == 0) return fmt::format("{}h", ms / kHour);
  return fmt::format("{}m", ms / kMinute);
}

class Printer {
 public:
  std::string Take() { return std::move(out_); }

  void Print(const SchemaDocument& document) {
    const std::string attributes =
        ChoiceAttribute("whitespace", Whitespace::kReference, document.whitespace) +
        ChoiceAttribute("positions", Positions::kSchema, document.positions) +
        ChoiceAttribute("encoding", EncodingMode::kAnchored, document.encoding);
    out_ += "<schema" + ContainerAttributes(document.root, {}) + attributes + ">";
    // Wherever sets stand, they do not split the text around them.
    for (const SchemaSet& set : document.sets) {
      out_ +=
          "<scaffold" + Attribute("modules", fmt::format("{}", fmt::join(set.members, " "))) + "/>";
    }
    PrintChildren(document.root);
    out_ += "</schema>";
  }

  void Print(const PromptDocument& document) {
    const std::string version = document.version.empty() ? "" : "@" + document.version;
    out_ += "<prompt" + Attribute("schema", document.schema + version) + ">";
    auto text = document.texts.begin();
    const auto print_texts_after = [&](std::optional<size_t> reference) {
      for (; text != document.texts.end() && text->after == reference; ++text) Print(text->text);
    };
    print_texts_after(std::nullopt);
    for (size_t i = 0; i < document.references.size(); ++i) {
      Print(document.references[i]);
      print_texts_after(i);
    }
    out_ += "</prompt>";
  }

 private:
  static std::string ContainerAttributes(const SchemaContainer& container,
                                         const SchemaContainer& parent) {
    std::string attributes = Attribute("name", container.name);
    if (container.src) attributes += Attribute("src", container.src->path);
    if (!container.cached && parent.cached) attributes += Attribute("cache", "false");
    if (container.lifetime.ttl_ms != parent.lifetime.ttl_ms) {
      attributes += Attribute("ttl", Duration(container.lifetime.ttl_ms));
    }
    if (container.lifetime.pinned != parent.lifetime.pinned) {
      attributes += Attribute("pin", container.lifetime.pinned ? "true" : "false");
    }
    return attributes + OptionalAttribute("description", container.description);
  }

  void PrintChildren(const SchemaContainer& container) {
    for (const SchemaChild& child : container.children) {
      if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
        PrintModule(**module, container);
      } else if (const auto* group = std::get_if<SchemaUnion>(&child)) {
        out_ += "<union" + OptionalAttribute("scaffold", group->scaffold) + ">";
        for (const auto& member : group->members) PrintModule(*member, container);
        out_ += "</union>";
      } else if (const auto* param = std::get_if<SchemaParam>(&child)) {
        out_ += "<param" + Attribute("name", param->name) +
                Attribute("length", std::to_string(param->length));
        if (param->scaffold) out_ += Attribute("scaffold", *param->scaffold);
        out_ += "/>";
      } else {
        Print(std::get<XmlText>(child));
      }
    }
  }

  void PrintModule(const SchemaContainer& module, const SchemaContainer& parent) {
    out_ += "<module" + ContainerAttributes(module, parent) + ">";
    PrintChildren(module);
    out_ += "</module>";
  }

  void Print(const PromptReference& reference) {
    out_ += "<" + reference.name;
    for (const PromptArgument& argument : reference.arguments) {
      out_ += Attribute(argument.name, argument.value);
    }
    if (reference.children.empty()) {
      out_ += "/>";
      return;
    }
    out_ += ">";
    for (const PromptReference& child : reference.children) Print(child);
    out_ += "</" + reference.name + ">";
  }

  void Print(const XmlText& text) {
    for (const TextSpan& span : text.spans) {
      if (span.marker) {
        out_ += RoleMarkerText(*span.marker);
      } else if (span.only_space) {
        out_ += span.text;
      } else {
        const std::string_view all = span.text;
        const size_t content = all.size() - span.head_space - span.tail_space;
        out_ += all.substr(0, span.head_space);
        PrintContent(all.substr(span.head_space, content));
        out_ += all.substr(all.size() - span.tail_space);
      }
    }
  }

  // What is not literal white space; white space at its edges was written verbatim.
  void PrintContent(std::string_view text) {
    if (text.empty()) out_ += std::string(kCDataOpen) + std::string(kCDataClose);
    const size_t head = LeadingSpace(text);
    const size_t tail = text.size() - (head == text.size() ? 0 : TrailingSpace(text));
    for (size_t at = 0; at < text.size();) {
      const Utf8Character character = DecodeUtf8At(text, at);
      const std::string_view written = text.substr(at, character.bytes);
      if (at < head || at >= tail || written == "\r") {
        out_ += CharacterReference(character.code);
      } else if (written == "<") {
        out_ += "&lt;";
      } else if (written == ">") {
        out_ += "&gt;";  // there may be "]]" before it
      } else if (written == "&") {
        out_ += "&amp;";
      } else {
        out_ += written;
      }
      at += character.bytes;
    }
  }

  std::string out_;
};

template <typename Document>
std::string Printed(const Document& document) {
  Printer printer;
  printer.Print(document);
  return printer.Take();
}

}  // namespace

std::string PrintSchema(const SchemaDocument& document) { return Printed(document); }

std::string PrintPrompt(const PromptDocument& document) { return Printed(document); }

}  // namespace promptcache
