// Registered schemas and where they are kept: compiles them in the background, writes them to the
// meta store before they are used, and reads them back after a restart. Internal to coordinator/.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "coordinator/background.h"
#include "coordinator/meta_client.h"
#include "coordinator/registry/registry.h"

namespace promptcache {

struct CatalogOptions {
  std::string store_endpoint;  // empty: schemas live in memory only
  uint32_t context_length = 0;
  PmlLimits limits;
  // Of all records together: they are read back in one message.
  uint64_t max_total_bytes = uint64_t{80} << 20;
};

// What a catalog works with; all of it outlives the catalog, but the background must run nothing
// for it any more when it goes.
struct CatalogDeps {
  Transport& transport;
  Background& background;
  const Clock& clock;
  const TextEncoder& encoder;
};

// Belongs to the reactor thread. Callbacks run on it, each exactly once unless the catalog goes
// before. Until the persisted schemas are loaded every call answers kUnavailable with the reason.
class SchemaCatalog {
 public:
  SchemaCatalog(const CatalogDeps& deps, CatalogOptions options);
  ~SchemaCatalog();
  SchemaCatalog(const SchemaCatalog&) = delete;
  SchemaCatalog& operator=(const SchemaCatalog&) = delete;

  // Begins to load when there is a store. kInvalidArgument for an endpoint that can never work.
  Status Start();
  // Calls `ready` once everything that could be loaded is; at once when it is already. A damaged
  // record is logged with its key and left out.
  void WhenLoaded(std::function<void()> ready);
  // kUnavailable with the reason until then.
  Status CheckLoaded() const;

  // kNotFound naming what is missing and what there is.
  Result<SchemaPtr> Find(const std::string& name, const std::string& version) const;
  Result<std::vector<SchemaInfo>> List(const std::string& name) const;
  // In parts that fit a message each; at least one.
  std::vector<RecipeReply> FindRecipes(const std::vector<RecipeDigest>& digests) const;
  size_t size() const { return registry_.size(); }
  bool store_is_up() const { return meta_ != nullptr && meta_->up(); }

  // Writes happen one after another. kInvalidArgument with the document's errors,
  // kResourceExhausted when all schemas together are too large, kBusy when too many writes wait,
  // kUnavailable when the store cannot be reached: nothing is registered then.
  using AddCallback = std::function<void(Result<SchemaPtr>)>;
  void Add(SchemaAdd add, const AddCallback& done);
  // Of one version ("name@version") or all. After an error some versions may be removed.
  using RemoveCallback = std::function<void(Status)>;
  void Remove(const std::string& name, const RemoveCallback& done);

 private:
  // A schema with its record, which is made in the background: documents may be large.
  struct Compiled {
    SchemaPtr schema;
    std::string record;
  };
  using Records = std::vector<MetaRecord>;
  using Left = std::shared_ptr<std::vector<SchemaPtr>>;
  // What is called when a write has ended.
  using Release = std::function<void()>;

  CompileOptions OptionsAt(uint64_t unix_ms) const;
  Status CheckWritable() const;
  Status CheckRoom(const std::string& key, uint64_t record_bytes) const;
  uint64_t NextStamp();
  void Insert(const SchemaPtr& schema, uint64_t record_bytes);
  void Forget(const RegisteredSchema& schema);

  void Load();
  void LoadFailed(const Status& why);
  void LoadNext(const std::shared_ptr<Records>& left);
  Result<SchemaPtr> Restore(const MetaRecord& record) const;
  void Loaded();

  void Enqueue(std::function<void(Release)> write, const std::function<void(Status)>& refuse);
  void RunWrites();
  void Persist(const std::shared_ptr<const Compiled>& compiled, const AddCallback& done,
               const Release& release);
  void RemoveNext(const Left& left, const RemoveCallback& done);

  const CatalogDeps deps_;
  const CatalogOptions options_;
  SchemaRegistry registry_;
  std::map<std::string, uint64_t> record_bytes_;  // by key, of what is registered
  uint64_t total_bytes_ = 0;
  uint64_t last_stamp_ = 0;

  bool loaded_ = false;
  bool loading_ = false;
  Status load_error_;
  TimerId retry_ = 0;
  std::vector<std::function<void()>> when_loaded_;

  std::deque<std::function<void(Release)>> writes_;  // that wait
  bool writing_ = false;
  std::unique_ptr<MetaClient> meta_;  // null: memory only
};

}  // namespace promptcache
