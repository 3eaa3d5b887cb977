#include "coordinator/registry/registry.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "coordinator/pml/sources.h"

namespace promptcache {
namespace {

uint64_t BytesOf(const Recipe& recipe) {
  return (recipe.context.size() + recipe.own.size()) * (sizeof(TokenId) + sizeof(Position));
}

// `sources` by path, so that the order in which they were sent does not count.
std::string VersionOf(const SchemaAdd& add, const std::vector<SourceFile>& sources) {
  Blake2b hash;
  hash.AddString("promptcache schema version 1").AddString(add.document).AddU32(add.max_tokens);
  for (const SourceFile& file : sources) hash.AddString(file.path).AddString(file.text);
  return hash.Finish().ToHex().substr(0, 16);
}

}  // namespace

SchemaInfo RegisteredSchema::Info() const {
  return {.name = name,
          .version = version,
          .tokens = static_cast<uint32_t>(layout.length),
          .units = static_cast<uint32_t>(layout.units.size()),
          .registered_unix_ms = registered_unix_ms,
          .current = true};
}

Result<SchemaPtr> CompileSchema(const SchemaAdd& add, const TextEncoder& encoder,
                                const CompileOptions& options) {
  if (add.max_tokens == 1) {
    return InvalidArgument("max_tokens is at least 2 (0: no truncation)");
  }
  const PmlSource source(add.file.empty() ? "schema" : add.file, add.document);
  Diagnostics diagnostics(source);
  auto document = ParseSchema(source, options.limits, diagnostics);
  if (!document) return diagnostics.ToStatus();
  AttachSources(add.sources, options.limits, *document, diagnostics);
  if (!diagnostics.ok()) return diagnostics.ToStatus();
  auto layout = BuildLayout(*document, encoder,
                            {.max_tokens = add.max_tokens,
                             .context_length = options.context_length,
                             .set_tokens = options.limits.set_tokens},
                            diagnostics);
  if (!layout) return diagnostics.ToStatus();
  auto schema = std::make_shared<RegisteredSchema>();
  schema->layout = *std::move(layout);
  schema->name = document->root.name;
  schema->document = add.document;
  schema->sources = add.sources;
  std::sort(schema->sources.begin(), schema->sources.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  schema->version = VersionOf(add, schema->sources);
  schema->max_tokens = add.max_tokens;
  schema->registered_unix_ms = options.registered_unix_ms;
  return SchemaPtr(std::move(schema));
}

void SchemaRegistry::Insert(SchemaPtr schema) {
  Remove(*schema);
  newest_unix_ms_ = std::max(newest_unix_ms_, schema->registered_unix_ms);
  for (size_t unit = 0; unit < schema->layout.units.size(); ++unit) {
    recipes_[schema->layout.units[unit].digest].push_back({schema, unit});
  }
  auto& versions = schemas_[schema->name];
  // Records arrive from the store in any order: the youngest registration is current.
  const auto after = std::upper_bound(versions.begin(), versions.end(), schema,
                                      [](const SchemaPtr& a, const SchemaPtr& b) {
                                        return a->registered_unix_ms < b->registered_unix_ms;
                                      });
  versions.insert(after, std::move(schema));
}

Result<SchemaPtr> SchemaRegistry::Find(const std::string& name, const std::string& version) const {
  const auto found = schemas_.find(name);
  if (found == schemas_.end()) {
    std::string known;
    for (const auto& [other, versions] : schemas_) {
      if (known.size() > 200) break;
      known += (known.empty() ? "" : ", ") + other;
    }
    return NotFound("the schema '" + name +
                    "' is not registered (registered: " + (known.empty() ? "none" : known) +
                    "); register it with `promptcache schema add`");
  }
  if (version.empty()) return found->second.back();
  for (const SchemaPtr& schema : found->second) {
    if (schema->version == version) return schema;
  }
  return NotFound("the schema '" + name + "' has no version '" + version +
                  "'; the current one is '" + found->second.back()->version + "'");
}

Result<std::vector<SchemaPtr>> SchemaRegistry::Matching(const std::string& name) const {
  const size_t at = name.find('@');
  const std::string version = at == std::string::npos ? "" : name.substr(at + 1);
  PC_ASSIGN_OR_RETURN(const SchemaPtr schema, Find(name.substr(0, at), version));
  if (!version.empty()) return std::vector<SchemaPtr>{schema};
  return schemas_.at(schema->name);
}

void SchemaRegistry::Remove(const RegisteredSchema& schema) {
  const auto found = schemas_.find(schema.name);
  if (found == schemas_.end()) return;
  auto& versions = found->second;
  const auto same = std::find_if(versions.begin(), versions.end(), [&](const SchemaPtr& other) {
    return other->version == schema.version;
  });
  if (same == versions.end()) return;
  const SchemaPtr removed = *same;
  versions.erase(same);
  if (versions.empty()) schemas_.erase(found);
  for (const LayoutUnit& unit : removed->layout.units) {
    const auto refs = recipes_.find(unit.digest);
    if (refs == recipes_.end()) continue;
    std::erase_if(refs->second, [&](const UnitRef& ref) { return ref.schema == removed; });
    if (refs->second.empty()) recipes_.erase(refs);
  }
  std::erase_if(removed_, [](const auto& other) { return other.expired(); });
  removed_.push_back(removed);
}

Result<std::vector<SchemaInfo>> SchemaRegistry::List(const std::string& name) const {
  std::vector<SchemaInfo> list;
  const auto append = [&](const std::vector<SchemaPtr>& versions) {
    for (const SchemaPtr& schema : versions) {
      SchemaInfo info = schema->Info();
      info.current = schema == schemas_.at(schema->name).back();
      if (!name.empty()) {
        info.document = schema->document;
        info.sources = schema->sources;
      }
      list.push_back(std::move(info));
    }
  };
  if (!name.empty()) {
    PC_ASSIGN_OR_RETURN(const std::vector<SchemaPtr> matching, Matching(name));
    append(matching);
    return list;
  }
  for (const auto& [other, versions] : schemas_) append(versions);
  return list;
}

std::optional<Recipe> SchemaRegistry::FindRecipe(const RecipeDigest& digest) const {
  const auto found = recipes_.find(digest);
  if (found != recipes_.end()) {
    const UnitRef& ref = found->second.front();
    return ref.schema->layout.RecipeOf(ref.schema->layout.units[ref.unit]);
  }
  for (const auto& removed : removed_) {
    const SchemaPtr schema = removed.lock();
    if (!schema) continue;
    for (const LayoutUnit& unit : schema->layout.units) {
      if (unit.digest == digest) return schema->layout.RecipeOf(unit);
    }
  }
  return std::nullopt;
}

std::vector<RecipeReply> SchemaRegistry::FindRecipes(const std::vector<RecipeDigest>& digests,
                                                     uint64_t part_bytes) const {
  std::vector<RecipeReply> parts(1);
  uint64_t bytes = 0;
  for (const RecipeDigest& digest :
       std::unordered_set<RecipeDigest>(digests.begin(), digests.end())) {
    if (bytes >= part_bytes) {
      parts.emplace_back();
      bytes = 0;
    }
    auto recipe = FindRecipe(digest);
    if (!recipe) {
      parts.back().unknown.push_back(digest);
      continue;
    }
    bytes += BytesOf(*recipe);
    parts.back().recipes.push_back(*std::move(recipe));
  }
  return parts;
}

}  // namespace promptcache
