#include "coordinator/schema_catalog.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr uint64_t kMostCatchingUp = 4'096;
constexpr uint64_t kMaxWrites = 256;
constexpr uint64_t kRecipePartBytes = uint64_t{16} << 20;  // of 64 MiB that a worker takes
constexpr uint64_t kRecordOverhead = 1 << 10;   // of a record in a message, and of a small schema
constexpr uint64_t kWaitingOverhead = 4 << 10;  // of what waits
constexpr size_t kMaxFileBytes = 4 << 10;       // of a path: each of many errors says it

uint64_t BytesOf(const SchemaAdd& add) {
  uint64_t bytes = add.file.size() + add.document.size();
  for (const SourceFile& file : add.sources) {
    bytes += sizeof(file) + file.path.size() + file.text.size();
  }
  return bytes;
}

}  // namespace

SchemaCatalog::SchemaCatalog(const CatalogDeps& deps, const CatalogOptions& options)
    : deps_(deps),
      options_(options),
      waiting_bytes_(options.max_waiting_bytes),
      catch_up_places_(kMostCatchingUp),
      write_places_(kMaxWrites),
      loaded_(deps.meta == nullptr),
      meta_(deps.meta),
      domains_(deps.meta) {
  if (meta_ == nullptr) return;
  load_error_ = Unavailable("the cachestore at " + meta_->endpoint() + " is not reachable");
  meta_->OnUp([this] { StoreIsUp(); });
}

SchemaCatalog::~SchemaCatalog() {
  deps_.transport.CancelTimer(answering_);
  deps_.transport.CancelTimer(timer_);
  deps_.transport.CancelTimer(retry_);
}

// ---- questions ----

Status SchemaCatalog::CheckLoaded() const {
  if (loaded_) return {};
  return Unavailable("schemas are not loaded yet: " + load_error_.message() + "; try again");
}

Result<Budget::Part> SchemaCatalog::Reserve(const std::string& tenant, uint64_t bytes) {
  if (auto part = waiting_bytes_.Take(tenant, bytes + kWaitingOverhead)) return part;
  return Busy("prompts and schemas of " + std::to_string(waiting_bytes_.used()) +
              " bytes wait for the cachestore; try again later");
}

Result<SchemaPtr> SchemaCatalog::Find(const SchemaViewer& viewer, const std::string& name,
                                      const std::string& version) const {
  PC_RETURN_IF_ERROR(CheckLoaded());
  return registry_.Find(viewer, name, version);
}

Result<std::vector<SchemaInfo>> SchemaCatalog::List(const SchemaViewer& viewer,
                                                    const std::string& name) const {
  PC_RETURN_IF_ERROR(CheckLoaded());
  return registry_.List(viewer, name);
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

Hash128 SchemaCatalog::ContentOf(const std::string& record) {
  return Xxh3_128({reinterpret_cast<const uint8_t*>(record.data()), record.size()});
}

void SchemaCatalog::Keep(const std::string& key, const std::string& record, SchemaPtr schema) {
  Forget(key);
  if (schema) registry_.Insert(schema);
  total_bytes_ += record.size() + kRecordOverhead;
  bytes_of_[TenantOfSchemaKey(key)] += record.size() + kRecordOverhead;
  known_[key] = {record.size(), ContentOf(record), std::move(schema)};
}

void SchemaCatalog::Forget(const std::string& key) {
  const auto known = known_.extract(key);
  if (known.empty()) return;
  const uint64_t bytes = known.mapped().bytes + kRecordOverhead;
  total_bytes_ -= bytes;
  const auto of_tenant = bytes_of_.find(TenantOfSchemaKey(key));
  if ((of_tenant->second -= bytes) == 0) bytes_of_.erase(of_tenant);
  if (known.mapped().schema) registry_.Remove(*known.mapped().schema);
}

// ---- writing ----

Status SchemaCatalog::CheckWritable() const {
  PC_RETURN_IF_ERROR(CheckLoaded());
  if (meta_ == nullptr || meta_->up()) return {};
  return Unavailable("schemas cannot be changed while the cachestore at " + meta_->endpoint() +
                     " is not reachable; start it and try again");
}

Status SchemaCatalog::CheckRoom(const RegisteredSchema& schema, uint64_t record_bytes) const {
  const auto replaced = known_.find(SchemaKey(schema));
  const uint64_t freed = replaced == known_.end() ? 0 : replaced->second.bytes + kRecordOverhead;
  const auto after = [&](uint64_t now) { return now - freed + record_bytes + kRecordOverhead; };
  const uint64_t total = after(total_bytes_);
  if (total > options_.max_total_bytes) {
    return ResourceExhausted("all schemas together would take " + std::to_string(total) +
                             " bytes, the limit is " + std::to_string(options_.max_total_bytes) +
                             "; remove some with `promptcache schema rm`");
  }
  const bool grows = record_bytes + kRecordOverhead > freed;
  if (schema.tenant.empty() || !grows) return {};
  const auto of_tenant = bytes_of_.find(schema.tenant);
  const uint64_t its = after(of_tenant == bytes_of_.end() ? 0 : of_tenant->second);
  const uint64_t left = options_.max_total_bytes - total;
  if (its <= left) return {};
  return ResourceExhausted("the schemas of this tenant would take " + std::to_string(its) +
                           " bytes and leave " + std::to_string(left) +
                           " to the others, the limit is as much as they leave; remove some with "
                           "`promptcache schema rm`");
}

// Ascends even when the clock was set back: the last registration is the current one.
uint64_t SchemaCatalog::NextStamp() {
  last_stamp_ =
      std::max({deps_.clock.UnixMillis(), last_stamp_ + 1, registry_.newest_unix_ms() + 1});
  return last_stamp_;
}

void SchemaCatalog::Enqueue(const std::string& tenant, std::function<void(Release)> write,
                            const std::function<void(Status)>& refuse) {
  const auto place = write_places_.Take(tenant, 1);
  if (!place) {
    return refuse(Busy(std::to_string(writes_.size()) +
                       " changes of schemas are waiting for the cachestore; try again"));
  }
  writes_.push_back([place, write = std::move(write)](const Release& release) { write(release); });
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

void SchemaCatalog::Add(SchemaAdd add, const std::string& tenant, const AddCallback& done) {
  if (add.file.size() > kMaxFileBytes) {
    return done(InvalidArgument("the path of the schema's file has " +
                                std::to_string(add.file.size()) + " bytes; the limit is " +
                                std::to_string(kMaxFileBytes)));
  }
  if (const Status status = CheckWritable(); !status.ok()) return done(status);
  const auto room = Reserve(tenant, BytesOf(add));
  if (!room.ok()) return done(room.status());
  const auto shared = std::make_shared<SchemaAdd>(std::move(add));
  const AddCallback answer = [room = *room, done](Result<SchemaPtr> added) {
    done(std::move(added));
  };
  // What others registered before is known then: this registration is younger.
  CatchUp(tenant, [this, shared, tenant, answer](const Status& caught_up) {
    if (!caught_up.ok()) return answer(caught_up);
    domains_.Find(tenant, [this, shared, tenant, answer](const Result<uint64_t>& domain) {
      if (!domain.ok()) return answer(domain.status());
      CompileOptions options = OptionsAt(NextStamp());
      options.tenant = tenant;
      options.domain = *domain;
      Compile(std::move(*shared), options, answer);
    });
  });
}

void SchemaCatalog::Compile(SchemaAdd add, const CompileOptions& options, const AddCallback& done) {
  const uint64_t bytes = BytesOf(add);
  const Status queued = deps_.background.Compute<Result<Compiled>>(
      [this, add = std::move(add), options]() -> Result<Compiled> {
        Compiled compiled;
        PC_ASSIGN_OR_RETURN(compiled.schema, CompileSchema(add, deps_.encoder, options));
        compiled.record = SchemaRecord(*compiled.schema);
        return compiled;
      },
      [this, tenant = options.tenant, done](Result<Compiled> compiled) {
        if (!compiled.ok()) return done(compiled.status());
        auto shared = std::make_shared<const Compiled>(*std::move(compiled));
        Enqueue(
            tenant,
            [this, shared, done](const Release& release) {
              Persist(shared, [shared, done, release](const Status& status) {
                done(status.ok() ? Result<SchemaPtr>(shared->schema) : Result<SchemaPtr>(status));
                release();
              });
            },
            done);
      },
      bytes);
  if (!queued.ok()) done(queued);
}

void SchemaCatalog::Persist(const std::shared_ptr<const Compiled>& compiled, const Ended& ended) {
  Read([this, compiled, ended](const Status& read) {
    Status allowed = read;
    if (allowed.ok()) allowed = registry_.CheckSharedName(*compiled->schema);
    if (allowed.ok()) allowed = CheckRoom(*compiled->schema, compiled->record.size());
    if (!allowed.ok()) return ended(allowed);
    const std::string key = SchemaKey(*compiled->schema);
    if (meta_ == nullptr) {
      Keep(key, compiled->record, compiled->schema);
      return ended({});
    }
    meta_->Set(key, compiled->record, [this, compiled, ended](const Result<Records>& set) {
      if (!set.ok()) return ended(set.status());
      Persisted(*compiled, ended);
    });
  });
}

void SchemaCatalog::Persisted(const Compiled& compiled, const Ended& ended) {
  Keep(SchemaKey(*compiled.schema), compiled.record, compiled.schema);
  TellOthers([this, schema = compiled.schema, ended](const Status& told) {
    if (told.ok() && schema->shared) return CheckSharedAlone(schema, ended);
    ended(told.WithContext("registered, but other coordinators may not know of it yet"));
  });
}

// Another coordinator may have looked and written at the same time. Who told of it last sees the
// other's schema and gives way; so both may, but never neither.
void SchemaCatalog::CheckSharedAlone(const SchemaPtr& schema, const Ended& ended) {
  Read([this, schema, ended](const Status& read) {
    const Status alone = registry_.CheckSharedName(*schema);
    if (alone.ok()) return ended(read.WithContext("registered, but others may share the name"));
    RemoveNext(std::make_shared<std::vector<SchemaPtr>>(1, schema),
               [alone, ended](const Status& removed) { ended(removed.ok() ? alone : removed); });
  });
}

void SchemaCatalog::Remove(const SchemaViewer& viewer, const std::string& name,
                           const RemoveCallback& done) {
  if (const Status status = CheckWritable(); !status.ok()) return done(status);
  Enqueue(
      viewer.tenant,
      [this, viewer, name, done](const Release& release) {
        const auto end = [done, release](const Status& status) {
          done(status);
          release();
        };
        Read([this, viewer, name, end](const Status& read) {
          if (!read.ok()) return end(read);
          auto removable = registry_.Removable(viewer, name);
          if (!removable.ok()) return end(removable.status());
          RemoveNext(std::make_shared<std::vector<SchemaPtr>>(*std::move(removable)), end);
        });
      },
      done);
}

// One after the other; a failure leaves the rest registered and says so.
void SchemaCatalog::RemoveNext(const Left& left, const Ended& ended) {
  while (!left->empty()) {
    const SchemaPtr schema = std::move(left->back());
    left->pop_back();
    if (meta_ == nullptr) {
      Forget(SchemaKey(*schema));
      continue;
    }
    return meta_->Remove(SchemaKey(*schema),
                         [this, schema, left, ended](const Result<Records>& one) {
                           if (!one.ok()) return ended(one.status());
                           Forget(SchemaKey(*schema));
                           RemoveNext(left, ended);
                         });
  }
  if (meta_ == nullptr) return ended({});
  TellOthers([ended](const Status& told) {
    ended(told.WithContext("removed, but other coordinators may not know of it yet"));
  });
}

}  // namespace promptcache
