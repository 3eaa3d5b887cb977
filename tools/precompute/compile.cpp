#include "tools/precompute/compile.h"

#include <algorithm>

#include "common/config.h"
#include "coordinator/pml/sources.h"
#include "coordinator/registry/registry.h"
#include "tools/cli/offline_schema.h"

namespace promptcache {
namespace {

// What a variant changes in the document.
struct Variant {
  EncodingMode encoding;
  Positions positions;
  const std::map<std::string, std::string>& scaffolds;
};

SchemaContainer* FindModule(SchemaContainer& container, std::string_view name) {
  for (SchemaChild& child : container.children) {
    if (auto* module = std::get_if<std::unique_ptr<SchemaContainer>>(&child)) {
      if ((*module)->name == name) return module->get();
    } else if (auto* group = std::get_if<SchemaUnion>(&child)) {
      for (const auto& member : group->members) {
        if (member->name == name) return member.get();
      }
    }
  }
  return nullptr;
}

// The parameter at "module/path/parameter"; null when there is none.
SchemaParam* FindParam(SchemaContainer& root, std::string_view path) {
  SchemaContainer* container = &root;
  for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
    container = FindModule(*container, path.substr(0, slash));
    if (container == nullptr) return nullptr;
    path.remove_prefix(slash + 1);
  }
  for (SchemaChild& child : container->children) {
    auto* param = std::get_if<SchemaParam>(&child);
    if (param != nullptr && param->name == path) return param;
  }
  return nullptr;
}

Status Apply(const Variant& variant, SchemaDocument& document) {
  document.encoding = variant.encoding;
  document.positions = variant.positions;
  for (const auto& [path, text] : variant.scaffolds) {
    SchemaParam* param = FindParam(document.root, path);
    if (param == nullptr) {
      return InvalidArgument("scaffolds: the schema has no parameter '" + path +
                             "'; write module/path/parameter");
    }
    param->scaffold = text;
    param->scaffold_offset = param->offset;
  }
  return {};
}

class Compiler {
 public:
  Compiler(SchemaAdd add, const ServedModel& model)
      : add_(std::move(add)),
        encoder_{*model.tokenizer, *model.chat_template},
        options_{.context_length = model.context_length,
                 .limits = SchemaLimitsOf(DefaultSettings().coordinator)} {}

  Result<std::vector<CompiledSchema>> Compile(const ManifestSchema& schema) const {
    PC_ASSIGN_OR_RETURN(const SchemaPtr own, CompileSchema(add_, encoder_, options_));
    const Layout& layout = own->layout;
    std::vector<EncodingMode> encodings = schema.encodings;
    if (encodings.empty()) encodings = {layout.encoding};
    std::vector<Positions> positions = schema.positions;
    if (positions.empty()) positions = {layout.positions};
    std::vector<CompiledSchema> variants;
    for (const EncodingMode encoding : encodings) {
      for (const Positions way : positions) {
        CompiledSchema compiled{own->name, own->version, {own, &layout}};
        const bool changes =
            encoding != layout.encoding || way != layout.positions || !schema.scaffolds.empty();
        if (changes) {
          PC_ASSIGN_OR_RETURN(compiled.layout, LayOut({encoding, way, schema.scaffolds}));
        }
        variants.push_back(std::move(compiled));
      }
    }
    return variants;
  }

 private:
  Result<std::shared_ptr<const Layout>> LayOut(const Variant& variant) const {
    const PmlSource source(add_.file, add_.document);
    Diagnostics diagnostics(source);
    auto document = ParseSchema(source, options_.limits, diagnostics);
    if (!document) return diagnostics.ToStatus();
    AttachSources(add_.sources, options_.limits, *document, diagnostics);
    PC_RETURN_IF_ERROR(diagnostics.ToStatus());
    PC_RETURN_IF_ERROR(Apply(variant, *document).WithContext(add_.file));
    auto layout = BuildLayout(*document, encoder_,
                              {.max_tokens = add_.max_tokens,
                               .context_length = options_.context_length,
                               .set_tokens = options_.limits.set_tokens},
                              diagnostics);
    if (!layout) return diagnostics.ToStatus().WithContext("as the manifest changes it");
    return std::make_shared<const Layout>(*std::move(layout));
  }

  const SchemaAdd add_;
  const TextEncoder encoder_;
  const CompileOptions options_;
};

}  // namespace

Result<std::vector<CompiledSchema>> CompileVariants(const ManifestSchema& schema,
                                                    const ServedModel& model) {
  PC_ASSIGN_OR_RETURN(SchemaAdd add,
                      ReadSchemaAdd({.file = schema.file, .src_root = schema.src_root}));
  add.max_tokens = schema.max_tokens;
  return Compiler(std::move(add), model).Compile(schema);
}

}  // namespace promptcache
