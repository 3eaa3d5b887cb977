// Registered schemas: versions, what a name selects, and the recipes their units need.
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
  Layout layout;

  SchemaInfo Info() const;  // without document and sources, current = true
};
using SchemaPtr = std::shared_ptr<const RegisteredSchema>;

struct CompileOptions {
  uint32_t context_length = 0;
  PmlLimits limits;
  uint64_t registered_unix_ms = 0;
};

// Parses, attaches the source files and lays out. kInvalidArgument with the document's errors.
// Pure; takes long for large documents.
Result<SchemaPtr> CompileSchema(const SchemaAdd& add, const TextEncoder& encoder,
                                const CompileOptions& options);

// The record under which a schema is kept in the meta store.
inline constexpr char kSchemaKeyPrefix[] = "schema/";
std::string SchemaKey(const RegisteredSchema& schema);  // "schema/NAME/VERSION"
std::string SchemaRecord(const RegisteredSchema& schema);
struct StoredSchema {
  SchemaAdd add;
  uint64_t registered_unix_ms = 0;
};
// What was registered, from a record. kDataLoss when it is damaged. That a compiled schema's key is
// the record's key shows that document and options are what was registered: the version is their
// digest.
Result<StoredSchema> ParseSchemaRecord(const std::string& record);

// Belongs to one thread.
class SchemaRegistry {
 public:
  // Among the versions of a name the youngest registration is current. The same version replaces
  // itself.
  void Insert(SchemaPtr schema);
  // kNotFound naming what is missing and what there is.
  Result<SchemaPtr> Find(const std::string& name, const std::string& version) const;
  // The versions a removal of "name" or "name@version" is about; kNotFound when there are none.
  Result<std::vector<SchemaPtr>> Matching(const std::string& name) const;
  void Remove(const RegisteredSchema& schema);

  // All schemas, or the versions that "name" or "name@version" means with their documents
  // (kNotFound when unknown), newest last.
  Result<std::vector<SchemaInfo>> List(const std::string& name) const;
  size_t size() const { return schemas_.size(); }              // names
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

  std::map<std::string, std::vector<SchemaPtr>> schemas_;  // versions, the current one last
  std::unordered_map<RecipeDigest, std::vector<UnitRef>> recipes_;
  std::vector<std::weak_ptr<const RegisteredSchema>> removed_;
  uint64_t newest_unix_ms_ = 0;
};

}  // namespace promptcache
