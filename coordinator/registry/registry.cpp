#include "coordinator/registry/registry.h"

#include <algorithm>
#include <iterator>
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

bool Sees(const SchemaViewer& viewer, const RegisteredSchema& schema) {
  return schema.shared || viewer.Sees(schema.tenant);
}

std::vector<SchemaPtr> SeenOf(const SchemaViewer& viewer, const std::vector<SchemaPtr>& versions) {
  std::vector<SchemaPtr> seen;
  std::copy_if(versions.begin(), versions.end(), std::back_inserter(seen),
               [&](const SchemaPtr& schema) { return Sees(viewer, *schema); });
  return seen;
}

// "support@0123" as name and version.
std::pair<std::string, std::string> SplitVersion(const std::string& name) {
  const size_t at = name.find('@');
  if (at == std::string::npos) return {name, ""};
  return {name.substr(0, at), name.substr(at + 1)};
}

}  // namespace

SchemaInfo RegisteredSchema::Info() const {
  return {.name = name,
          .version = version,
          .tokens = static_cast<uint32_t>(layout.length),
          .units = static_cast<uint32_t>(layout.units.size()),
          .registered_unix_ms = registered_unix_ms,
          .current = true,
          .tenant = tenant,
          .shared = shared};
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
  schema->tenant = options.tenant;
  schema->shared = add.shared;
  schema->domain = add.shared ? 0 : options.domain;
  return SchemaPtr(std::move(schema));
}

void SchemaRegistry::Insert(SchemaPtr schema) {
  Remove(*schema);
  newest_unix_ms_ = std::max(newest_unix_ms_, schema->registered_unix_ms);
  for (size_t unit = 0; unit < schema->layout.units.size(); ++unit) {
    recipes_[schema->layout.units[unit].digest].push_back({schema, unit});
  }
  Versions& versions = schemas_[schema->name][schema->tenant];
  // Records arrive from the store in any order: the youngest registration is current.
  const auto after = std::upper_bound(versions.begin(), versions.end(), schema,
                                      [](const SchemaPtr& a, const SchemaPtr& b) {
                                        return a->registered_unix_ms < b->registered_unix_ms;
                                      });
  versions.insert(after, std::move(schema));
}

SchemaRegistry::Versions SchemaRegistry::Visible(const SchemaViewer& viewer,
                                                 const std::string& name) const {
  const size_t slash = name.find('/');
  const auto found = schemas_.find(slash == std::string::npos ? name : name.substr(slash + 1));
  if (found == schemas_.end()) return {};
  const auto& tenants = found->second;
  const bool is_bare = slash == std::string::npos;
  const auto of = tenants.find(is_bare ? viewer.tenant : name.substr(0, slash));
  if (of != tenants.end()) return SeenOf(viewer, of->second);
  if (!is_bare) return {};
  Versions first;
  for (const auto& [tenant, versions] : tenants) {
    Versions shared = SeenOf({.tenant = viewer.tenant}, versions);
    if (shared.empty()) continue;
    const bool is_first =
        first.empty() || shared.front()->registered_unix_ms < first.front()->registered_unix_ms;
    if (is_first) first = std::move(shared);
  }
  return first;
}

std::string SchemaRegistry::NamesFor(const SchemaViewer& viewer) const {
  std::string names;
  const auto add = [&](const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
  for (const auto& [name, tenants] : schemas_) {
    if (names.size() > 200) break;
    if (!Visible(viewer, name).empty()) add(name);
    if (!viewer.sees_all) continue;
    for (const auto& [tenant, versions] : tenants) {
      if (tenant != viewer.tenant) add(tenant + "/" + name);
    }
  }
  return names.empty() ? "none" : names;
}

Result<SchemaPtr> SchemaRegistry::Find(const SchemaViewer& viewer, const std::string& name,
                                       const std::string& version) const {
  const Versions versions = Visible(viewer, name);
  if (versions.empty()) {
    return NotFound("the schema '" + name + "' is not registered (registered: " + NamesFor(viewer) +
                    "); register it with `promptcache schema add`");
  }
  if (version.empty()) return versions.back();
  for (const SchemaPtr& schema : versions) {
    if (schema->version == version) return schema;
  }
  return NotFound("the schema '" + name + "' has no version '" + version +
                  "'; the current one is '" + versions.back()->version + "'");
}

Result<SchemaRegistry::Versions> SchemaRegistry::Matching(const SchemaViewer& viewer,
                                                          const std::string& name) const {
  const auto [bare, version] = SplitVersion(name);
  PC_ASSIGN_OR_RETURN(SchemaPtr schema, Find(viewer, bare, version));
  if (!version.empty()) return Versions{std::move(schema)};
  return Visible(viewer, bare);
}

Result<std::vector<SchemaPtr>> SchemaRegistry::Removable(const SchemaViewer& viewer,
                                                         const std::string& name) const {
  PC_ASSIGN_OR_RETURN(Versions versions, Matching(viewer, name));
  const std::string& tenant = versions.front()->tenant;
  if (viewer.Sees(tenant)) return versions;
  return FailedPrecondition("the schema '" + name + "' is shared by the tenant '" + tenant +
                            "', who alone may remove it");
}

Status SchemaRegistry::CheckSharedName(const RegisteredSchema& schema) const {
  const auto found = schemas_.find(schema.name);
  if (!schema.shared || found == schemas_.end()) return {};
  for (const auto& [tenant, versions] : found->second) {
    if (tenant == schema.tenant || SeenOf({.tenant = schema.tenant}, versions).empty()) continue;
    return AlreadyExists("the tenant '" + tenant + "' shares a schema '" + schema.name +
                         "' already; share yours under another name");
  }
  return {};
}

void SchemaRegistry::Remove(const RegisteredSchema& schema) {
  const auto found = schemas_.find(schema.name);
  if (found == schemas_.end()) return;
  const auto of = found->second.find(schema.tenant);
  if (of == found->second.end()) return;
  Versions& versions = of->second;
  const auto same = std::find_if(versions.begin(), versions.end(), [&](const SchemaPtr& other) {
    return other->version == schema.version;
  });
  if (same == versions.end()) return;
  const SchemaPtr removed = *same;
  versions.erase(same);
  if (versions.empty()) found->second.erase(of);
  if (found->second.empty()) schemas_.erase(found);
  for (const LayoutUnit& unit : removed->layout.units) {
    const auto refs = recipes_.find(unit.digest);
    if (refs == recipes_.end()) continue;
    std::erase_if(refs->second, [&](const UnitRef& ref) { return ref.schema == removed; });
    if (refs->second.empty()) recipes_.erase(refs);
  }
  std::erase_if(removed_, [](const auto& other) { return other.expired(); });
  removed_.push_back(removed);
}

Result<std::vector<SchemaInfo>> SchemaRegistry::List(const SchemaViewer& viewer,
                                                     const std::string& name) const {
  std::vector<SchemaInfo> list;
  if (!name.empty()) {
    PC_ASSIGN_OR_RETURN(const Versions matching, Matching(viewer, name));
    const Versions all = Visible(viewer, SplitVersion(name).first);
    for (const SchemaPtr& schema : matching) {
      list.push_back(schema->Info());
      list.back().current = schema == all.back();
      list.back().document = schema->document;
      list.back().sources = schema->sources;
    }
    return list;
  }
  for (const auto& [other, tenants] : schemas_) {
    for (const auto& [tenant, versions] : tenants) {
      const Versions seen = SeenOf(viewer, versions);
      for (const SchemaPtr& schema : seen) {
        list.push_back(schema->Info());
        list.back().current = schema == seen.back();
      }
    }
  }
  return list;
}

size_t SchemaRegistry::size() const {
  size_t names = 0;
  for (const auto& [name, tenants] : schemas_) names += tenants.size();
  return names;
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
