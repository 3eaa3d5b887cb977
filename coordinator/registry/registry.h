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
  std::string version;  // 16 hex digits of BLAKE2b over document and registration options
  std::string document;
  uint32_t max_tokens = 0;
  uint64_t registered_unix_ms = 0;
  Layout layout;

  SchemaInfo Info() const;  // without the document, current = true
};
using SchemaPtr = std::shared_ptr<const RegisteredSchema>;

struct CompileOptions {
  uint32_t context_length = 0;
  uint64_t max_bytes = 0;
  uint64_t registered_unix_ms = 0;
};

// Parses and lays out. kInvalidArgument with the document's errors. Pure; takes long for large
// documents.
Result<SchemaPtr> CompileSchema(const SchemaAdd& add, const TextEncoder& encoder,
                                const CompileOptions& options);

// The record under which a schema is kept in the meta store.
std::string SchemaKey(const RegisteredSchema& schema);  // "schema/NAME/VERSION"
std::string SchemaRecord(const RegisteredSchema& schema);
// What was registered, from a record. kDataLoss when it is damaged.
struct StoredSchema {
  SchemaAdd add;
  uint64_t registered_unix_ms = 0;
};
Result<StoredSchema> ParseSchemaRecord(const std::string& record);

// Belongs to one thread.
class SchemaRegistry {
 public:
  // Makes it the current version of its name. Registering the same version again moves it to the
  // end.
  void Insert(SchemaPtr schema);
  // kNotFound naming what is missing and what there is.
  Result<SchemaPtr> Find(const std::string& name, const std::string& version) const;
  // The versions a removal of "name" or "name@version" is about; kNotFound when there are none.
  Result<std::vector<SchemaPtr>> Matching(const std::string& name) const;
  void Remove(const RegisteredSchema& schema);

  // All schemas, or one's versions with their documents (kNotFound when unknown), newest last.
  Result<std::vector<SchemaInfo>> List(const std::string& name) const;
  size_t size() const { return schemas_.size(); }

  std::optional<Recipe> FindRecipe(const RecipeDigest& digest) const;

 private:
  struct UnitRef {
    SchemaPtr schema;
    size_t unit = 0;
  };

  std::map<std::string, std::vector<SchemaPtr>> schemas_;  // versions, the current one last
  std::unordered_map<RecipeDigest, std::vector<UnitRef>> recipes_;
};

}  // namespace promptcache
