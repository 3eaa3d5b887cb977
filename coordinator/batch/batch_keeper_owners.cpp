// Who owns which batch: which coordinators live, and what becomes of the batches of the others.
#include <algorithm>
#include <utility>

#include "common/log.h"
#include "coordinator/batch/batch_keeper.h"

namespace promptcache {
namespace {

constexpr size_t kMaxBusy = 8;  // that are loaded at the same time

}  // namespace

// The owners first: an owner's life was there before it owned anything, so one that is not there
// now has ended.
void BatchKeeper::Look() {
  looking_ = true;
  const auto end = [this](const Status& why) {
    looking_ = false;
    if (why.ok()) return;
    watch_.StartAgain();
    Log(LogLevel::kWarning, "batches not looked after", {{"reason", why.message()}});
  };
  const auto look = [this, end](const Status& shown) {
    if (!shown.ok()) return end(shown);
    meta_.List(kBatchOwnerPrefix, [this, end, mine = table_.refs()](Result<Records> owners) {
      if (!owners.ok()) return end(owners.status());
      meta_.List(kBatchLifePrefix, [this, end, mine, owners](const Result<Records>& lives) {
        if (lives.ok() && !stopped_) LookAt(mine, *owners, *lives);
        end(lives.status());
      });
    });
  };
  if (life_.is_shown()) return ShowLife(look);
  look({});
}

void BatchKeeper::ShowLife(const BatchJournal::Ended& done) {
  std::vector<BatchInfo> progress = table_.infos();
  for (BatchInfo& info : progress) info.coordinator = name_;
  life_.Show(progress, [this, before = life_.id(), done](const Status& shown) {
    if (life_.id() != before) {
      // Another coordinator took this one for dead, and its batches.
      for (const BatchRef& ref : table_.refs()) Lose(ref, shown);
    }
    done(shown);
  });
}

// Its life is shown before it owns anything.
void BatchKeeper::Own(const RequestId& batch, uint64_t revision, const Done<BatchRef>& done) {
  const auto own = [this, batch, revision, done](const Status& shown) {
    if (!shown.ok()) return done(shown);
    journal_.Own(batch, revision, life_.id(), done);
  };
  if (life_.is_shown()) return own({});
  ShowLife(own);
}

// `mine`: what was owned here when the owners were asked for.
void BatchKeeper::LookAt(const std::vector<BatchRef>& mine, const Records& owners,
                         const Records& lives) {
  for (const BatchRef& ref : mine) {
    const auto owner = std::find_if(owners.begin(), owners.end(), [&](const MetaRecord& one) {
      return one.key == BatchOwnerKey(ref.id);
    });
    const bool is_kept = owner != owners.end() && owner->revision == ref.fence;
    if (!is_kept) Lose(ref, FailedPrecondition("it has another owner, or was removed"));
  }
  std::set<std::string> living;
  for (const MetaRecord& life : lives) living.insert(life.key);
  RemoveEnded(lives);
  bool owns_any = !table_.refs().empty();
  for (const MetaRecord& owner : owners) {
    const auto id = IdOfBatchKey(owner.key);
    const auto life = DecodeBatchOwner(owner);
    const bool is_mine = life.ok() && *life == life_.id();
    const bool is_owned = life.ok() && !is_mine && living.contains(BatchLifeKey(*life));
    owns_any = owns_any || is_mine;
    if (!id.ok() || is_owned || busy_.contains(*id) || damaged_.contains(*id)) continue;
    if (table_.Find(*id) == nullptr) TakeOver(*id, owner.revision);
  }
  if (!owns_any && busy_.empty()) life_.End();
}

// The next look sees that their owners are gone.
void BatchKeeper::RemoveEnded(const Records& lives) {
  for (const MetaRecord& ended : watch_.Look(lives, clock_.Now())) {
    if (ended.key == BatchLifeKey(life_.id())) continue;
    meta_.Swap({.key = ended.key, .expected = ended.revision, .remove = true},
               [](const Result<Records>& /*removed*/) {});
  }
}

void BatchKeeper::TakeOver(const RequestId& batch, uint64_t revision) {
  if (busy_.size() >= kMaxBusy) return;  // the next look comes soon
  busy_.insert(batch);
  Own(batch, revision, [this, batch](const Result<BatchRef>& owned) {
    if (owned.ok()) return LoadOwned(*owned);
    busy_.erase(batch);  // another coordinator was faster
  });
}

void BatchKeeper::LoadOwned(const BatchRef& ref) {
  journal_.Load(ref, [this, ref](Result<OwnedBatch> batch) {
    // It was never acknowledged, or was removed.
    if (batch.status().code() == Code::kNotFound) return EraseRest(ref);
    busy_.erase(ref.id);
    if (batch.status().code() == Code::kDataLoss) damaged_.insert(ref.id);
    if (!batch.ok()) {
      return Log(LogLevel::kError, "batch not loaded",
                 {{"batch", ref.id.ToHex()}, {"reason", batch.status().message()}});
    }
    Log(LogLevel::kInfo, "batch taken over",
        {{"batch", batch->info.id.ToHex()},
         {"items", batch->info.items},
         {"ended", batch->info.ended}});
    Perform(table_.Take(*std::move(batch), clock_.Now()));
  });
}

void BatchKeeper::EraseRest(const BatchRef& ref) {
  busy_.insert(ref.id);
  journal_.Erase(ref, [this, ref](const Status& erased) {
    busy_.erase(ref.id);  // what is left is seen at the next look
    if (erased.ok()) return;
    Log(LogLevel::kWarning, "batch not erased",
        {{"batch", ref.id.ToHex()}, {"reason", erased.message()}});
  });
}

}  // namespace promptcache
