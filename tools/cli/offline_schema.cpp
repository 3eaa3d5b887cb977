#include "tools/cli/offline_schema.h"

#include <filesystem>

#include "tools/cli/bundle.h"

namespace promptcache {

OfflineSchema::OfflineSchema(std::string file, std::string text, const PmlLimits& limits)
    : limits_(limits), source_(std::move(file), std::move(text)), diagnostics_(source_) {
  document_ = ParseSchema(source_, limits_, diagnostics_);
}

Result<std::unique_ptr<OfflineSchema>> OfflineSchema::Read(const SchemaPath& path,
                                                           const PmlLimits& limits) {
  PC_ASSIGN_OR_RETURN(std::string text, ReadInput(path.file));
  const std::string name = path.file == "-" ? "standard input" : path.file;
  std::unique_ptr<OfflineSchema> schema(new OfflineSchema(name, std::move(text), limits));
  if (!schema->ok()) return schema;
  std::string folder = path.src_root;
  if (folder.empty()) folder = std::filesystem::path(path.file).parent_path().string();
  if (folder.empty()) folder = ".";
  schema->files_ = ReadSources(*schema->document_, folder, limits, schema->diagnostics_);
  if (schema->ok()) schema->Attach();
  return schema;
}

std::unique_ptr<OfflineSchema> OfflineSchema::Of(const SchemaInfo& info, const PmlLimits& limits) {
  std::unique_ptr<OfflineSchema> schema(
      new OfflineSchema(info.name + "@" + info.version, info.document, limits));
  schema->files_ = info.sources;
  if (schema->ok()) schema->Attach();
  return schema;
}

void OfflineSchema::Attach() { AttachSources(files_, limits_, *document_, diagnostics_); }

void OfflineSchema::LayOut(const FrontEnd& front, uint32_t max_tokens) {
  if (!ok()) return;
  layout_ = BuildLayout(*document_, front.encoder(),
                        {.max_tokens = max_tokens,
                         .context_length = front.context_length,
                         .set_tokens = limits_.set_tokens},
                        diagnostics_);
}

Result<SchemaAdd> ReadSchemaAdd(const SchemaPath& path, const PmlLimits& limits) {
  PC_ASSIGN_OR_RETURN(const auto schema, OfflineSchema::Read(path, limits));
  PC_RETURN_IF_ERROR(schema->diagnostics().ToStatus());
  return schema->ToAdd(0);
}

SchemaAdd OfflineSchema::ToAdd(uint32_t max_tokens) const {
  return {.file = source_.file(),
          .document = std::string(source_.text()),
          .max_tokens = max_tokens,
          .sources = files_};
}

}  // namespace promptcache
