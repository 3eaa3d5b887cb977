#include "coordinator/schema_catalog.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kRetry{1'000};
constexpr size_t kMaxWrites = 256;
constexpr uint64_t kRecipePartBytes = uint64_t{16} << 20;  // of 64 MiB that a worker takes
constexpr uint64_t kRecordOverhead = 1 << 10;  // of a record in a message, and of a small schema

}  // namespace

SchemaCatalog::SchemaCatalog(const CatalogDeps& deps, CatalogOptions options)
    : deps_(deps), options_(std::move(options)) {}

SchemaCatalog::~SchemaCatalog() { deps_.transport.CancelTimer(retry_); }

Status SchemaCatalog::Start() {
  if (options_.store_endpoint.empty()) {
    loaded_ = true;
    return {};
  }
  load_error_ = Unavailable("the cachestore at " + options_.store_endpoint + " is not reachable");
  meta_ =
      std::make_unique<MetaClient>(deps_.transport, options_.store_endpoint, [this] { Load(); });
  return meta_->Start();
}

void SchemaCatalog::WhenLoaded(std::function<void()> ready) {
  if (loaded_) return ready();
  when_loaded_.push_back(std::move(ready));
}

// ---- questions ----

Status SchemaCatalog::CheckLoaded() const {
  if (loaded_) return {};
  if (loading_) return Unavailable("schemas are being loaded from the cachestore; try again");
  return Unavailable("schemas are not loaded yet: " + load_error_.message() + "; try again");
}

Result<SchemaPtr> SchemaCatalog::Find(const std::string& name, const std::string& version) const {
  PC_RETURN_IF_ERROR(CheckLoaded());
  return registry_.Find(name, version);
}

Result<std::vector<SchemaInfo>> SchemaCatalog::List(const std::string& name) const {
  PC_RETURN_IF_ERROR(CheckLoaded());
  return registry_.List(name);
}

std::vector<RecipeReply> SchemaCatalog::FindRecipes(
    const std::vector<RecipeDigest>& digests) const {
  return registry_.FindRecipes(digests, kRecipePartBytes);
}

CompileOptions SchemaCatalog::OptionsAt(uint64_t unix_ms) const {
  return {.context_length = options_.context_length,
          .limits = options_.limits,
          .registered_unix_ms = unix_ms};
}

void SchemaCatalog::Insert(const SchemaPtr& schema, uint64_t record_bytes) {
  Forget(*schema);
  record_bytes_[SchemaKey(*schema)] = record_bytes;
  total_bytes_ += record_bytes + kRecordOverhead;
  registry_.Insert(schema);
}

void SchemaCatalog::Forget(const RegisteredSchema& schema) {
  const auto bytes = record_bytes_.extract(SchemaKey(schema));
  if (!bytes.empty()) total_bytes_ -= bytes.mapped() + kRecordOverhead;
  registry_.Remove(schema);
}

// ---- loading ----

void SchemaCatalog::Load() {
  if (loaded_ || loading_) return;
  loading_ = true;
  meta_->List(kSchemaKeyPrefix, [this](Result<Records> records) {
    if (!records.ok()) return LoadFailed(records.status());
    LoadNext(std::make_shared<Records>(*std::move(records)));
  });
}

void SchemaCatalog::LoadFailed(const Status& why) {
  loading_ = false;
  load_error_ = why;
  Log(LogLevel::kWarning, "schemas not loaded", {{"reason", why.message()}});
  // When the link is down its return loads; when it is up nothing else would.
  deps_.transport.CancelTimer(std::exchange(retry_, 0));
  if (meta_->up()) retry_ = deps_.transport.After(kRetry, [this] { Load(); });
}

// One at a time, so that requests are not queued behind all of them.
void SchemaCatalog::LoadNext(const std::shared_ptr<Records>& left) {
  if (left->empty()) return Loaded();
  auto record = std::make_shared<const MetaRecord>(std::move(left->back()));
  left->pop_back();
  const Status queued = deps_.background.Compute<Result<SchemaPtr>>(
      [this, record] { return Restore(*record); },
      [this, record, left](Result<SchemaPtr> schema) {
        if (schema.ok()) {
          Insert(*schema, record->value.size());
        } else {
          Log(LogLevel::kError, "schema record skipped",
              {{"key", record->key}, {"reason", schema.status().message()}});
        }
        LoadNext(left);
      },
      record->value.size());
  if (queued.ok()) return;
  left->push_back(*record);
  retry_ = deps_.transport.After(kRetry, [this, left] { LoadNext(left); });
}

// On the background thread.
Result<SchemaPtr> SchemaCatalog::Restore(const MetaRecord& record) const {
  PC_ASSIGN_OR_RETURN(const StoredSchema stored, ParseSchemaRecord(record.value));
  PC_ASSIGN_OR_RETURN(SchemaPtr schema, CompileSchema(stored.add, deps_.encoder,
                                                      OptionsAt(stored.registered_unix_ms)));
  if (SchemaKey(*schema) != record.key) {
    return DataLoss("its content belongs to '" + SchemaKey(*schema) +
                    "': the document or its options were changed");
  }
  return schema;
}

void SchemaCatalog::Loaded() {
  loading_ = false;
  loaded_ = true;
  Log(LogLevel::kInfo, "schemas loaded", {{"names", registry_.size()}});
  for (auto& ready : std::exchange(when_loaded_, {})) ready();
}

// ---- writing ----

Status SchemaCatalog::CheckWritable() const {
  PC_RETURN_IF_ERROR(CheckLoaded());
  if (meta_ == nullptr || meta_->up()) return {};
  return Unavailable("schemas cannot be changed while the cachestore at " +
                     options_.store_endpoint + " is not reachable; start it and try again");
}

Status SchemaCatalog::CheckRoom(const std::string& key, uint64_t record_bytes) const {
  const auto replaced = record_bytes_.find(key);
  const uint64_t others =
      total_bytes_ - (replaced == record_bytes_.end() ? 0 : replaced->second + kRecordOverhead);
  const uint64_t total = others + record_bytes + kRecordOverhead;
  if (total <= options_.max_total_bytes) return {};
  return ResourceExhausted("all schemas together would take " + std::to_string(total) +
                           " bytes, the limit is " + std::to_string(options_.max_total_bytes) +
                           "; remove some with `promptcache schema rm`");
}

// Ascends even when the clock was set back: the last registration is the current one.
uint64_t SchemaCatalog::NextStamp() {
  last_stamp_ =
      std::max({deps_.clock.UnixMillis(), last_stamp_ + 1, registry_.newest_unix_ms() + 1});
  return last_stamp_;
}

void SchemaCatalog::Enqueue(std::function<void(Release)> write,
                            const std::function<void(Status)>& refuse) {
  if (writes_.size() >= kMaxWrites) {
    return refuse(Busy(std::to_string(writes_.size()) +
                       " changes of schemas are waiting for the cachestore; try again"));
  }
  writes_.push_back(std::move(write));
  RunWrites();
}

void SchemaCatalog::RunWrites() {
  if (writing_ || writes_.empty()) return;
  writing_ = true;
  const auto write = std::move(writes_.front());
  writes_.pop_front();
  write([this] {
    writing_ = false;
    RunWrites();
  });
}

void SchemaCatalog::Add(SchemaAdd add, const AddCallback& done) {
  if (const Status status = CheckWritable(); !status.ok()) return done(status);
  uint64_t bytes = add.document.size();
  for (const SourceFile& file : add.sources) bytes += file.path.size() + file.text.size();
  const Status queued = deps_.background.Compute<Result<Compiled>>(
      [this, add = std::move(add), options = OptionsAt(NextStamp())]() -> Result<Compiled> {
        Compiled compiled;
        PC_ASSIGN_OR_RETURN(compiled.schema, CompileSchema(add, deps_.encoder, options));
        compiled.record = SchemaRecord(*compiled.schema);
        return compiled;
      },
      [this, done](Result<Compiled> compiled) {
        if (!compiled.ok()) return done(compiled.status());
        auto shared = std::make_shared<const Compiled>(*std::move(compiled));
        Enqueue([this, shared, done](const Release& release) { Persist(shared, done, release); },
                done);
      },
      bytes);
  if (!queued.ok()) done(queued);
}

void SchemaCatalog::Persist(const std::shared_ptr<const Compiled>& compiled,
                            const AddCallback& done, const Release& release) {
  const std::string key = SchemaKey(*compiled->schema);
  const auto end = [this, compiled, done, release](const Status& written) {
    if (written.ok()) Insert(compiled->schema, compiled->record.size());
    done(written.ok() ? Result<SchemaPtr>(compiled->schema) : Result<SchemaPtr>(written));
    release();
  };
  const Status room = CheckRoom(key, compiled->record.size());
  if (!room.ok() || meta_ == nullptr) return end(room);
  meta_->Set(key, compiled->record, [end](const Result<Records>& set) { end(set.status()); });
}

void SchemaCatalog::Remove(const std::string& name, const RemoveCallback& done) {
  if (const Status status = CheckWritable(); !status.ok()) return done(status);
  Enqueue(
      [this, name, done](const Release& release) {
        const auto end = [done, release](const Status& status) {
          done(status);
          release();
        };
        auto matching = registry_.Matching(name);
        if (!matching.ok()) return end(matching.status());
        RemoveNext(std::make_shared<std::vector<SchemaPtr>>(*std::move(matching)), end);
      },
      done);
}

// One after the other; a failure leaves the rest registered and says so.
void SchemaCatalog::RemoveNext(const Left& left, const RemoveCallback& done) {
  while (!left->empty()) {
    const SchemaPtr schema = std::move(left->back());
    left->pop_back();
    if (meta_ == nullptr) {
      Forget(*schema);
      continue;
    }
    return meta_->Remove(SchemaKey(*schema),
                         [this, schema, left, done](const Result<Records>& one) {
                           if (!one.ok()) return done(one.status());
                           Forget(*schema);
                           RemoveNext(left, done);
                         });
  }
  done({});
}

}  // namespace promptcache
