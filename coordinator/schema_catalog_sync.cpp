// Reading what the store has: when starting, and what other coordinators have changed since.
#include <unordered_set>
#include <utility>

#include "common/log.h"
#include "coordinator/schema_catalog.h"

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kEvery{1'000};
// All records are read this often even when nobody told of a change: a coordinator may have died
// between the two.
constexpr std::chrono::seconds kListEvery{60};

// Its revision grows with every change of a schema, after it.
constexpr char kRevisionKey[] = "revision/schemas";

using FoundRecords = Result<std::vector<MetaRecord>>;

// A damaged one is as good as none: it is written anew with the next change.
bool IsUsable(const FoundRecords& found) {
  return found.ok() || found.status().code() == Code::kDataLoss;
}

uint64_t RevisionIn(const FoundRecords& found) {
  return found.ok() && !found->empty() ? found->front().revision : 0;
}

}  // namespace

// What is read again; one at a time.
struct SchemaCatalog::Reading {
  Records left;  // that are new, or others than before
  uint64_t revision = 0;
  Ended ended;
};

void SchemaCatalog::WhenLoaded(std::function<void()> ready) {
  if (loaded_) return ready();
  when_loaded_.push_back(std::move(ready));
}

void SchemaCatalog::CatchUp(const std::string& tenant, Ended then) {
  if (meta_ == nullptr) return then({});
  if (const Status status = CheckWritable(); !status.ok()) return then(status);
  const auto place = catch_up_places_.Take(tenant, 1);
  if (!place) return then(Busy("too many wait for the cachestore; try again later"));
  catching_up_.push_back([place, then = std::move(then)](const Status& read) { then(read); });
  ReadSoon();
}

void SchemaCatalog::StoreIsUp() {
  list_again_ = {};
  load_error_ = Unavailable("they are being read from the cachestore");
  deps_.transport.CancelTimer(std::exchange(timer_, 0));
  ReadNowAndThen();
}

void SchemaCatalog::ReadNowAndThen() {
  if (meta_->up()) ReadSoon();
  timer_ = deps_.transport.After(kEvery, [this] { ReadNowAndThen(); });
}

// One that has not begun is for all who want one.
void SchemaCatalog::ReadSoon() {
  if (std::exchange(read_waits_, true)) return;
  writes_.push_back([this](const Release& release) {
    read_waits_ = false;
    const auto waiting = std::make_shared<std::deque<Ended>>(std::exchange(catching_up_, {}));
    Read([this, waiting, release](const Status& read) { AnswerNext(waiting, read, release); });
  });
  RunWrites();
}

// One a turn of the reactor: what is made for each may be large.
void SchemaCatalog::AnswerNext(const Waiting& waiting, const Status& read, const Release& release) {
  if (!waiting->empty()) {
    const Ended then = std::move(waiting->front());
    waiting->pop_front();
    then(read);
  }
  if (waiting->empty()) return release();
  answering_ = deps_.transport.After(std::chrono::milliseconds(0), [this, waiting, read, release] {
    AnswerNext(waiting, read, release);
  });
}

void SchemaCatalog::Read(const Ended& ended) {
  if (meta_ == nullptr) return ended({});
  meta_->Get(kRevisionKey, [this, ended](const Result<Records>& found) {
    if (!IsUsable(found)) return ReadFailed(found.status(), ended);
    const uint64_t revision = RevisionIn(found);
    if (loaded_ && revision == revision_ && deps_.clock.Now() < list_again_) return ended({});
    meta_->List(kSchemaKeyPrefix, [this, revision, ended](Result<Records> records) {
      if (!records.ok()) return ReadFailed(records.status(), ended);
      ReadNext(std::make_shared<Reading>(Reading{Changed(*std::move(records)), revision, ended}));
    });
  });
}

void SchemaCatalog::ReadFailed(const Status& why, const Ended& ended) {
  if (!loaded_) {
    load_error_ = why;
    Log(LogLevel::kWarning, "schemas not loaded", {{"reason", why.message()}});
  }
  ended(why);
}

// Forgets what is not there any more.
SchemaCatalog::Records SchemaCatalog::Changed(Records records) {
  std::unordered_set<std::string> there;
  for (const MetaRecord& record : records) there.insert(record.key);
  std::vector<std::string> gone;
  for (const auto& [key, known] : known_) {
    if (!there.contains(key)) gone.push_back(key);
  }
  for (const std::string& key : gone) Forget(key);
  std::erase_if(records, [this](const MetaRecord& record) {
    const auto known = known_.find(record.key);
    return known != known_.end() && known->second.content == ContentOf(record.value);
  });
  return records;
}

// One at a time, so that requests are not queued behind all of them.
void SchemaCatalog::ReadNext(const std::shared_ptr<Reading>& reading) {
  if (reading->left.empty()) return ReadAll(*reading);
  domains_.Find(TenantOfSchemaKey(reading->left.back().key),
                [this, reading](const Result<uint64_t>& domain) {
                  if (!domain.ok()) return ReadFailed(domain.status(), reading->ended);
                  RestoreNext(reading, *domain);
                });
}

void SchemaCatalog::RestoreNext(const std::shared_ptr<Reading>& reading, uint64_t domain) {
  auto record = std::make_shared<const MetaRecord>(std::move(reading->left.back()));
  reading->left.pop_back();
  const Status queued = deps_.background.Compute<Result<SchemaPtr>>(
      [this, record, domain] { return Restore(*record, domain); },
      [this, record, reading](Result<SchemaPtr> schema) {
        if (!schema.ok()) {
          Log(LogLevel::kError, "schema record skipped",
              {{"key", record->key}, {"reason", schema.status().message()}});
        }
        Keep(record->key, record->value, schema.ok() ? *std::move(schema) : nullptr);
        ReadNext(reading);
      },
      record->value.size());
  if (queued.ok()) return;
  reading->left.push_back(*record);
  retry_ = deps_.transport.After(kEvery, [this, reading] { ReadNext(reading); });
}

// On the background thread.
Result<SchemaPtr> SchemaCatalog::Restore(const MetaRecord& record, uint64_t domain) const {
  PC_ASSIGN_OR_RETURN(const StoredSchema stored, ParseSchemaRecord(record.value));
  CompileOptions options = OptionsAt(stored.registered_unix_ms);
  options.tenant = stored.tenant;
  options.domain = domain;
  PC_ASSIGN_OR_RETURN(SchemaPtr schema, CompileSchema(stored.add, deps_.encoder, options));
  if (SchemaKey(*schema) != record.key) {
    return DataLoss("its content belongs to '" + SchemaKey(*schema) +
                    "': the document, its options or its tenant were changed");
  }
  return schema;
}

void SchemaCatalog::ReadAll(const Reading& reading) {
  revision_ = reading.revision;
  list_again_ = deps_.clock.Now() + kListEvery;
  if (!std::exchange(loaded_, true)) {
    Log(LogLevel::kInfo, "schemas loaded", {{"names", registry_.size()}});
    for (auto& ready : std::exchange(when_loaded_, {})) ready();
  }
  reading.ended({});
}

// Who loses the race for the revision tells again: who won it takes it for its own change only.
void SchemaCatalog::TellOthers(const Ended& ended) {
  meta_->Get(kRevisionKey, [this, ended](const Result<Records>& found) {
    if (!IsUsable(found)) return ended(found.status());
    const uint64_t revision = RevisionIn(found);
    meta_->Swap({.key = kRevisionKey, .expected = revision},
                [this, revision, ended](const Result<Records>& set) {
                  if (set.status().code() == Code::kFailedPrecondition) return TellOthers(ended);
                  if (set.ok() && revision == revision_) revision_ = RevisionIn(set);
                  ended(set.status());
                });
  });
}

}  // namespace promptcache
