// Registered schemas: versions, what a name selects for whom, and the recipes their units need.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/wire/messages.h"
#include "coordinator/layout/layout.h"

namespace promptcache {

// A schema as it was registered and what follows from it. Immutable; shared between threads.
struct RegisteredSchema {
  std::string name;
  // 16 hex digits of BLAKE2b over document, source files and registration options.
  std::string version;
  std::string document;
  std::vector<SourceFile> sources;  // by path
  uint32_t max_tokens = 0;
  uint64_t registered_unix_ms = 0;
  std::string tenant;   // that registered it; empty: the one without a name
  bool shared = false;  // every tenant may import it
  uint64_t domain = 0;  // of its units' keys; 0: everybody's. A secret
  Layout layout;

  SchemaInfo Info() const;  // without document and sources, current = true
};
using SchemaPtr = std::shared_ptr<const RegisteredSchema>;

struct CompileOptions {
  uint32_t context_length = 0;
  PmlLimits limits;
  uint64_t registered_unix_ms = 0;
  std::string tenant;
  uint64_t domain = 0;  // of the tenant
};

// Parses, attaches the source files and lays out. kInvalidArgument with the document's errors.
// Pure; takes long for large documents.
Result<SchemaPtr> CompileSchema(const SchemaAdd& add, const TextEncoder& encoder,
                                const CompileOptions& options);

// The record under which a schema is kept in the meta store.
inline constexpr char kSchemaKeyPrefix[] = "schema";
// "schema/NAME/VERSION", of a tenant "schema@TENANT/NAME/VERSION".
std::string SchemaKey(const std::string& tenant, const std::string& name,
                      const std::string& version);
std::string SchemaKey(const RegisteredSchema& schema);
// Empty also for what is no such key.
std::string TenantOfSchemaKey(const std::string& key);
std::string SchemaRecord(const RegisteredSchema& schema);
struct StoredSchema {
  SchemaAdd add;
  uint64_t registered_unix_ms = 0;
  std::string tenant;
};
// What was registered, from a record. kDataLoss when it is damaged. That a compiled schema's key is
// the record's key shows that document, options and tenant are what was registered: the version is
// the digest of the first two.
Result<StoredSchema> ParseSchemaRecord(const std::string& record);

// Who looks at schemas: a tenant sees its own and those that others share.
struct SchemaViewer {
  std::string tenant;
  bool sees_all = false;  // an operator

  bool Sees(const std::string& owner) const { return sees_all || owner == tenant; }
};

// Names are per tenant: a viewer's own schema goes before one that is shared under its name, of
// several shared ones the first. "TENANT/NAME" means that tenant's. Belongs to one thread.
class SchemaRegistry {
 public:
  // Among the versions of a name the youngest registration is current. The same version replaces
  // itself.
  void Insert(SchemaPtr schema);
  // kNotFound naming what is missing and what there is; all of it as far as the viewer sees it.
  Result<SchemaPtr> Find(const SchemaViewer& viewer, const std::string& name,
                         const std::string& version) const;
  // The versions a removal of "name" or "name@version" is about; kNotFound when there are none,
  // kFailedPrecondition when they are another tenant's.
  Result<std::vector<SchemaPtr>> Removable(const SchemaViewer& viewer,
                                           const std::string& name) const;
  // kAlreadyExists when another tenant shares a schema of this name.
  Status CheckSharedName(const RegisteredSchema& schema) const;
  void Remove(const RegisteredSchema& schema);

  // All schemas, or the versions that "name" or "name@version" means with their documents
  // (kNotFound when unknown), newest last.
  Result<std::vector<SchemaInfo>> List(const SchemaViewer& viewer, const std::string& name) const;
  size_t size() const;                                         // names
  uint64_t newest_unix_ms() const { return newest_unix_ms_; }  // of all registrations ever seen

  // Also of schemas that were removed while somebody still holds them: their requests are running.
  std::optional<Recipe> FindRecipe(const RecipeDigest& digest) const;
  // Each of them once, in parts of about this size: many units behind a long context are more than
  // a message may hold. At least one part.
  std::vector<RecipeReply> FindRecipes(const std::vector<RecipeDigest>& digests,
                                       uint64_t part_bytes) const;

 private:
  struct UnitRef {
    SchemaPtr schema;
    size_t unit = 0;
  };

  using Versions = std::vector<SchemaPtr>;  // the current one last

  // What the name means for the viewer; empty: nothing.
  Versions Visible(const SchemaViewer& viewer, const std::string& name) const;
  Result<Versions> Matching(const SchemaViewer& viewer, const std::string& name) const;
  std::string NamesFor(const SchemaViewer& viewer) const;

  std::map<std::string, std::map<std::string, Versions>> schemas_;  // by name and tenant
  std::unordered_map<RecipeDigest, std::vector<UnitRef>> recipes_;
  std::vector<std::weak_ptr<const RegisteredSchema>> removed_;
  uint64_t newest_unix_ms_ = 0;
};

}  // namespace promptcache
