// What clients want of batches, and what is done for them.
#include "coordinator/batch/batch_keeper.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/log.h"
#include "coordinator/batch/batch_share.h"
#include "coordinator/session/session.h"

namespace promptcache {
namespace {

constexpr int kSeizures = 3;
constexpr int kLooksInLease = 3;

Status BusyElsewhere() {
  return Busy("the batch is being added, taken over or removed; try again in some seconds");
}

}  // namespace

BatchKeeper::BatchKeeper(MetaClient& meta, const Clock& clock, const CoordinatorSettings& settings,
                         BatchRunner runner)
    : clock_(clock),
      lease_(settings.lease_ms),
      runner_(std::move(runner)),
      table_({.max_running = static_cast<uint32_t>(settings.batch_requests)}),
      watch_(lease_),
      meta_(meta) {
  meta_.OnUp([this] { watch_.StartAgain(); });
}

void BatchKeeper::Tick() {
  if (stopped_) return;
  Perform(table_.Tick(clock_.Now()));
  if (looking_ || !meta_.up() || clock_.Now() < next_look_) return;
  next_look_ = clock_.Now() + lease_ / kLooksInLease;
  Look();
}

void BatchKeeper::Received(const Envelope& envelope) {
  Perform(table_.Received(envelope, clock_.Now()));
}

void BatchKeeper::Shutdown() {
  stopped_ = true;
  life_.End();
}

// ---- what clients want ----

void BatchKeeper::Add(const RequestId& batch, const BatchInfo& info, const Encoded& encoded,
                      const Done<BatchInfo>& done) {
  List([this, batch, info, encoded, done](const Result<std::vector<KeptBatch>>& all) {
    if (!all.ok()) return done(all.status());
    for (const KeptBatch& one : *all) {
      if (one.id != batch) continue;
      if (one.head.content == encoded->content) return done(one.head.info);
      return done(AlreadyExists("the batch " + info.id.ToHex() + " is there with other items"));
    }
    const Status fits = CheckShare(*all, info.tenant, encoded->bytes);
    if (!fits.ok()) return done(fits);
    if (stopped_) return done(Unavailable("the coordinator is shutting down"));
    AddNew(batch, info, encoded, done);
  });
}

void BatchKeeper::AddNew(const RequestId& batch, const BatchInfo& info, const Encoded& encoded,
                         const Done<BatchInfo>& done) {
  if (!busy_.insert(batch).second) return done(BusyElsewhere());
  const auto end = [this, batch, done](Result<BatchInfo> added) {
    busy_.erase(batch);
    done(std::move(added));
  };
  Own(batch, 0, [this, info, encoded, end](const Result<BatchRef>& owned) {
    if (!owned.ok()) {
      const bool is_taken = owned.status().code() == Code::kFailedPrecondition;
      return end(is_taken ? BusyElsewhere() : owned.status());
    }
    journal_.Write(*owned, info, encoded, [this, end](Result<OwnedBatch> written) {
      if (!written.ok()) return end(written.status());  // the next look loads it, or erases it
      BatchInfo told = written->info;
      told.coordinator = name_;
      Log(LogLevel::kInfo, "batch added", {{"batch", told.id.ToHex()}, {"items", told.items}});
      end(std::move(told));
      Perform(table_.Take(*std::move(written), clock_.Now()));
    });
  });
}

void BatchKeeper::List(const Done<std::vector<KeptBatch>>& done) {
  journal_.Heads([this, done](Result<std::vector<KeptBatch>> heads) {
    if (!heads.ok()) return done(heads.status());
    meta_.List(kBatchLifePrefix,
               [this, heads = *std::move(heads), done](const Result<Records>& lives) mutable {
                 if (!lives.ok()) return done(lives.status());
                 std::map<RequestId, BatchInfo> progress;
                 for (const MetaRecord& life : *lives) {
                   const auto infos = DecodeBatchLife(life);
                   if (!infos.ok()) continue;  // it is written anew soon
                   for (const BatchInfo& info : *infos)
                     progress[IdWithin(info.tenant, info.id)] = info;
                 }
                 for (KeptBatch& batch : heads) {
                   if (batch.head.info.ended == batch.head.info.items) continue;
                   const auto told = progress.find(batch.id);
                   if (told != progress.end()) batch.head.info = told->second;
                   const BatchInfo* const here = table_.Find(batch.id);
                   if (here == nullptr) continue;
                   batch.head.info = *here;
                   batch.head.info.coordinator = name_;
                 }
                 done(std::move(heads));
               });
  });
}

void BatchKeeper::Results(const RequestId& batch, const BatchQuery& query,
                          const Done<BatchReply>& done) {
  journal_.Results(batch, query, done);
}

void BatchKeeper::Remove(const KeptBatch& batch, const BatchJournal::Ended& done) {
  if (!busy_.insert(batch.id).second) return done(BusyElsewhere());
  const auto end = [this, batch, done](const Status& removed) {
    busy_.erase(batch.id);
    done(removed);
  };
  Seize(batch.id, kSeizures, [this, batch, end](const Result<BatchRef>& seized) {
    if (!seized.ok()) return end(seized.status());
    Perform(table_.Forget(batch.id, clock_.Now()));
    journal_.RemoveHead(*seized, batch.revision, [this, ref = *seized, end](const Status& removed) {
      end(removed);
      if (removed.ok()) EraseRest(ref);
    });
  });
}

// Whoever has it.
void BatchKeeper::Seize(const RequestId& batch, int attempts, const Done<BatchRef>& done) {
  meta_.Get(BatchOwnerKey(batch), [this, batch, attempts, done](const Result<Records>& found) {
    if (!found.ok()) return done(found.status());
    Own(batch, RevisionIn(*found), [this, batch, attempts, done](Result<BatchRef> owned) {
      const bool lost_race = owned.status().code() == Code::kFailedPrecondition && attempts > 1;
      if (lost_race) return Seize(batch, attempts - 1, done);
      done(std::move(owned));
    });
  });
}

// ---- actions ----

void BatchKeeper::Perform(BatchActions actions) {
  if (stopped_) return;
  std::move(actions.begin(), actions.end(), std::back_inserter(actions_));
  if (std::exchange(performing_, true)) return;
  while (!actions_.empty()) {
    const BatchAction action = std::move(actions_.front());
    actions_.pop_front();
    Do(action);
  }
  performing_ = false;
}

void BatchKeeper::Do(const BatchAction& action) {
  if (const auto* submit = std::get_if<SubmitItem>(&action)) {
    runner_.submit(submit->tenant, submit->envelope);
  } else if (const auto* cancel = std::get_if<CancelItem>(&action)) {
    runner_.cancel(cancel->tenant, cancel->request);
  } else if (const auto* load = std::get_if<LoadItems>(&action)) {
    journal_.LoadItems(load->batch, load->first,
                       [this, ref = load->batch](Result<BatchItems> items) {
                         if (!items.ok()) return Lose(ref, items.status());
                         Perform(table_.ItemsLoaded(ref, *std::move(items), clock_.Now()));
                       });
  } else if (const auto* keep = std::get_if<KeepResult>(&action)) {
    journal_.Keep(keep->batch, keep->result,
                  [this, ref = keep->batch, item = keep->result.item](const Status& kept) {
                    if (!kept.ok()) return Lose(ref, kept);
                    Perform(table_.Kept(ref, item, clock_.Now()));
                  });
  } else {
    End(std::get<EndBatch>(action).batch);
  }
}

// What cannot be written for any more, or not now, is loaded again by whoever owns it then.
void BatchKeeper::Lose(const BatchRef& ref, const Status& why) {
  if (!table_.Owns(ref)) return;
  Log(LogLevel::kWarning, "batch let go", {{"batch", ref.id.ToHex()}, {"reason", why.message()}});
  Perform(table_.Forget(ref.id, clock_.Now()));
}

void BatchKeeper::End(const BatchRef& ref) {
  const BatchInfo* const info = table_.Find(ref.id);
  if (info == nullptr) return;
  journal_.End(ref, *info, [this, ref, id = info->id](const Status& ended) {
    if (!ended.ok()) return Lose(ref, ended);
    Log(LogLevel::kInfo, "batch ended", {{"batch", id.ToHex()}});
    if (table_.Owns(ref)) Perform(table_.Forget(ref.id, clock_.Now()));
  });
}

}  // namespace promptcache
