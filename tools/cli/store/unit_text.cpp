#include "tools/cli/store/unit_text.h"

#include <variant>

#include "common/text/detokenizer.h"
#include "coordinator/registry/registry.h"
#include "tools/cli/offline_schema.h"

namespace promptcache {
namespace {

// The module of this name directly below, also in a union.
const SchemaContainer* ChildNamed(const SchemaContainer& parent, std::string_view name) {
  for (const SchemaChild& child : parent.children) {
    if (const auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
      if ((*module)->name == name) return module->get();
    } else if (const auto* choice = std::get_if<SchemaUnion>(&child)) {
      for (const auto& member : choice->members) {
        if (member->name == name) return member.get();
      }
    }
  }
  return nullptr;
}

// `path` begins with the schema's name.
const SchemaContainer* FindContainer(const SchemaContainer& root, std::string_view path) {
  const SchemaContainer* container = &root;
  for (size_t slash = path.find('/'); slash != std::string_view::npos && container != nullptr;) {
    path.remove_prefix(slash + 1);
    slash = path.find('/');
    container = ChildNamed(*container, path.substr(0, slash));
  }
  return container;
}

std::string TextOf(const XmlText& text) {
  std::string out;
  for (const TextSpan& span : text.spans) out += span.text;
  return out;
}

std::string OwnText(const SchemaContainer& container) {
  std::string out = container.src ? TextOf(container.src->text) : "";
  for (const SchemaChild& child : container.children) {
    if (const auto* text = std::get_if<XmlText>(&child)) out += TextOf(*text);
  }
  return out;
}

}  // namespace

Result<std::string> TextOfTokens(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  StreamingDetokenizer detokenizer(tokenizer, SpecialTokens::kKeep);
  std::string text;
  for (const TokenId id : ids) {
    PC_ASSIGN_OR_RETURN(const std::string piece, detokenizer.Push(id));
    text += piece;
  }
  return text + detokenizer.Flush();
}

Result<std::optional<std::string>> TextInSchema(MetaStore& meta, const Reference& reference) {
  const auto record_of = [&](const std::string& tenant) {
    return meta.Get(SchemaKey(tenant, reference.schema, reference.version));
  };
  // Its own schema, or one that is shared with it.
  PC_ASSIGN_OR_RETURN(std::optional<MetaEntry> record, record_of(reference.tenant));
  if (!record) {
    PC_ASSIGN_OR_RETURN(record, record_of(""));
  }
  if (!record) return std::optional<std::string>();
  PC_ASSIGN_OR_RETURN(const StoredSchema stored, ParseSchemaRecord(record->value));
  const auto schema = OfflineSchema::Of({.name = reference.schema,
                                         .version = reference.version,
                                         .document = stored.add.document,
                                         .sources = stored.add.sources},
                                        PmlLimits{});
  PC_RETURN_IF_ERROR(schema->diagnostics().ToStatus());
  const SchemaContainer* container = FindContainer(schema->document().root, reference.module);
  if (container == nullptr) return std::optional<std::string>();
  return std::optional(OwnText(*container));
}

}  // namespace promptcache
