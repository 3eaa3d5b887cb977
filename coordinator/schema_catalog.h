// Registered schemas and where they are kept: compiles them in the background, writes them to the
// meta store before they are used, reads them back after a restart, and reads what other
// coordinators register and remove. Internal to coordinator/.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/fair_budget.h"
#include "common/hash.h"
#include "coordinator/background.h"
#include "coordinator/meta_client.h"
#include "coordinator/registry/registry.h"
#include "coordinator/tenant_domains.h"

namespace promptcache {

struct CatalogOptions {
  uint32_t context_length = 0;
  PmlLimits limits;
  // Of all records together: each coordinator reads them all. A tenant with a name may have as many
  // as it leaves free.
  uint64_t max_total_bytes = uint64_t{80} << 20;
  // Of what waits for the schemas or the store; of a tenant as many as it leaves free.
  uint64_t max_waiting_bytes = uint64_t{256} << 20;
};

// What a catalog works with; all of it outlives the catalog, but background and client must call
// nothing for it any more when it goes.
struct CatalogDeps {
  Transport& transport;
  Background& background;
  const Clock& clock;
  const TextEncoder& encoder;
  MetaClient* meta = nullptr;  // not started yet; null: schemas live in memory only
};

// Belongs to the reactor thread. Callbacks run on it, each exactly once unless the catalog goes
// before. Until the persisted schemas are loaded every call answers kUnavailable with the reason.
class SchemaCatalog {
 public:
  // Begins to load when the store is reachable.
  SchemaCatalog(const CatalogDeps& deps, const CatalogOptions& options);
  ~SchemaCatalog();
  SchemaCatalog(const SchemaCatalog&) = delete;
  SchemaCatalog& operator=(const SchemaCatalog&) = delete;

  // Calls `ready` once everything that could be loaded is; at once when it is already. A damaged
  // record is logged with its key and left out.
  void WhenLoaded(std::function<void()> ready);
  // kUnavailable with the reason until then.
  Status CheckLoaded() const;
  // For a tenant that waits for the catalog with something that holds so many bytes; to be kept as
  // long. kBusy when too much waits, or too much of this tenant.
  Result<Budget::Part> Reserve(const std::string& tenant, uint64_t bytes);
  // Calls `then` once what coordinators had registered and removed before this call is known here;
  // by itself that takes a second or two. With an error when it could not be found out, at once
  // when schemas are not loaded or the store is not reachable; kBusy when too many wait, or too
  // many for this tenant.
  using Ended = std::function<void(const Status&)>;
  void CatchUp(const std::string& tenant, Ended then);

  // As SchemaRegistry.
  Result<SchemaPtr> Find(const SchemaViewer& viewer, const std::string& name,
                         const std::string& version) const;
  Result<std::vector<SchemaInfo>> List(const SchemaViewer& viewer, const std::string& name) const;
  // In parts that fit a message each; at least one.
  std::vector<RecipeReply> FindRecipes(const std::vector<RecipeDigest>& digests) const;
  size_t size() const { return registry_.size(); }

  // Changes happen one after another, and hold a part of what may wait until they are answered.
  // kInvalidArgument with the document's errors or for a `file` of more than 4 KiB, kAlreadyExists
  // when another tenant shares its name, kResourceExhausted when all schemas together are too
  // large, kBusy when too much waits, kUnavailable when the store cannot be reached: nothing is
  // registered then, unless the message says so.
  using AddCallback = std::function<void(Result<SchemaPtr>)>;
  void Add(SchemaAdd add, const std::string& tenant, const AddCallback& done);
  // Of one version ("name@version") or all, as SchemaRegistry::Removable. After an error some
  // versions may be removed.
  using RemoveCallback = std::function<void(Status)>;
  void Remove(const SchemaViewer& viewer, const std::string& name, const RemoveCallback& done);

 private:
  // A schema with its record, which is made in the background: documents may be large.
  struct Compiled {
    SchemaPtr schema;
    std::string record;
  };
  // What is known of a record.
  struct Known {
    uint64_t bytes = 0;
    Hash128 content;
    SchemaPtr schema;  // null: it is damaged
  };
  struct Reading;
  using Records = std::vector<MetaRecord>;
  using Waiting = std::shared_ptr<std::deque<Ended>>;
  using Left = std::shared_ptr<std::vector<SchemaPtr>>;
  // What is called when a write has ended.
  using Release = std::function<void()>;

  static Hash128 ContentOf(const std::string& record);
  CompileOptions OptionsAt(uint64_t unix_ms) const;  // of the tenant without a name
  Status CheckWritable() const;
  Status CheckRoom(const RegisteredSchema& schema, uint64_t record_bytes) const;
  uint64_t NextStamp();
  void Keep(const std::string& key, const std::string& record, SchemaPtr schema);
  void Forget(const std::string& key);

  void StoreIsUp();
  void ReadNowAndThen();
  void ReadSoon();
  // Reads what has changed in the store. REQUIRES: it is this one's turn among the writes, here and
  // up to TellOthers.
  void Read(const Ended& ended);
  void AnswerNext(const Waiting& waiting, const Status& read, const Release& release);
  void ReadFailed(const Status& why, const Ended& ended);
  Records Changed(Records records);
  void ReadNext(const std::shared_ptr<Reading>& reading);
  void RestoreNext(const std::shared_ptr<Reading>& reading, uint64_t domain);
  Result<SchemaPtr> Restore(const MetaRecord& record, uint64_t domain) const;
  void ReadAll(const Reading& reading);
  // That there is something to read.
  void TellOthers(const Ended& ended);

  void Enqueue(const std::string& tenant, std::function<void(Release)> write,
               const std::function<void(Status)>& refuse);
  void RunWrites();
  void Compile(SchemaAdd add, const CompileOptions& options, const AddCallback& done);
  void Persist(const std::shared_ptr<const Compiled>& compiled, const Ended& ended);
  void Persisted(const Compiled& compiled, const Ended& ended);
  void CheckSharedAlone(const SchemaPtr& schema, const Ended& ended);
  void RemoveNext(const Left& left, const Ended& ended);

  const CatalogDeps deps_;
  const CatalogOptions options_;
  FairBudget<> waiting_bytes_;
  FairBudget<> catch_up_places_;
  FairBudget<> write_places_;
  SchemaRegistry registry_;
  std::map<std::string, Known> known_;  // by key
  uint64_t total_bytes_ = 0;
  std::map<std::string, uint64_t> bytes_of_;  // by tenant
  uint64_t last_stamp_ = 0;

  bool loaded_ = false;
  Status load_error_;
  std::vector<std::function<void()>> when_loaded_;
  uint64_t revision_ = 0;          // of all records together, when they were read
  SteadyTime list_again_;          // at the latest
  bool read_waits_ = false;        // among the writes
  std::deque<Ended> catching_up_;  // wait for it
  TimerId answering_ = 0;
  TimerId timer_ = 0;
  TimerId retry_ = 0;

  std::deque<std::function<void(Release)>> writes_;  // that wait
  bool writing_ = false;
  MetaClient* const meta_;
  TenantDomains domains_;
};

}  // namespace promptcache
