#include "coordinator/batch/batch_journal.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

using Records = MetaClient::Records;

constexpr uint32_t kPageRecords = 256;
constexpr uint64_t kReplyBytes = uint64_t{32} << 20;

MetaSet Fenced(const BatchRef& ref, std::string key, std::string value) {
  return {.key = std::move(key),
          .value = std::move(value),
          .fence = BatchOwnerKey(ref.id),
          .fence_revision = ref.fence};
}

MetaSet FencedRemoval(const BatchRef& ref, std::string key, uint64_t revision) {
  MetaSet set = Fenced(ref, std::move(key), "");
  set.expected = revision;
  set.remove = true;
  return set;
}

MetaClient::Callback StatusOnly(const BatchJournal::Ended& done) {
  return [done](const Result<Records>& records) { done(records.status()); };
}

Status NoSuchBatch(const RequestId& batch) {
  return NotFound("there is no batch " + batch.ToHex());
}

}  // namespace

// ---- all of them ----

void BatchJournal::Heads(const Done<std::vector<KeptBatch>>& done) {
  meta_.List(kBatchHeadPrefix, [done](Result<Records> records) {
    if (!records.ok()) return done(records.status());
    std::vector<KeptBatch> batches;
    for (const MetaRecord& record : *records) {
      const auto id = IdOfBatchKey(record.key);
      auto head = DecodeBatchHead(record);
      if (id.ok() && head.ok()) {
        batches.push_back({*id, *std::move(head), record.revision});
      } else {
        Log(LogLevel::kError, "batch record skipped",
            {{"key", record.key}, {"reason", (id.ok() ? head.status() : id.status()).message()}});
      }
    }
    done(std::move(batches));
  });
}

void BatchJournal::Own(const RequestId& batch, uint64_t revision, const RequestId& life,
                       const Done<BatchRef>& done) {
  meta_.Swap({.key = BatchOwnerKey(batch), .expected = revision, .value = EncodeBatchOwner(life)},
             [batch, done](const Result<Records>& owned) {
               if (!owned.ok()) return done(owned.status());
               done(BatchRef{batch, RevisionIn(*owned)});
             });
}

// ---- a new one ----

void BatchJournal::Write(const BatchRef& ref, const BatchInfo& info, const Encoded& batch,
                         const Done<OwnedBatch>& done) {
  WriteChunk(ref, batch, 0, [this, ref, info, batch, done](const Status& written) {
    if (!written.ok()) return done(written);
    meta_.Swap(
        Fenced(ref, BatchHeadKey(ref.id), EncodeBatchHead({info, batch->content, batch->bytes})),
        [ref, info, done](const Result<Records>& head) {
          if (!head.ok()) return done(head.status());
          done(OwnedBatch{.ref = ref,
                          .info = info,
                          .ended = std::vector<bool>(info.items),
                          .head = RevisionIn(*head)});
        });
  });
}

void BatchJournal::WriteChunk(const BatchRef& ref, const Encoded& batch, size_t chunk,
                              const Ended& done) {
  if (chunk == batch->chunks.size()) return done({});
  const auto& [last, value] = batch->chunks[chunk];
  meta_.Swap(Fenced(ref, BatchItemsKey(ref.id, last), value),
             [this, ref, batch, chunk, done](const Result<Records>& written) {
               if (!written.ok()) return done(written.status());
               WriteChunk(ref, batch, chunk + 1, done);
             });
}

// ---- one that is there ----

void BatchJournal::Load(const BatchRef& ref, const Done<OwnedBatch>& done) {
  meta_.Get(BatchHeadKey(ref.id), [this, ref, done](const Result<Records>& found) {
    if (!found.ok()) return done(found.status());
    if (found->empty()) return done(NoSuchBatch(ref.id));
    auto head = DecodeBatchHead(found->front());
    if (!head.ok()) return done(head.status());
    auto batch = std::make_shared<OwnedBatch>(OwnedBatch{
        .ref = ref, .info = std::move(head->info), .head = RevisionIn(*found), .had_owner = true});
    batch->info.ended = 0;
    batch->info.failed = 0;
    batch->ended.resize(batch->info.items);
    LoadResults(batch, "", done);
  });
}

void BatchJournal::LoadResults(const std::shared_ptr<OwnedBatch>& batch, const std::string& after,
                               const Done<OwnedBatch>& done) {
  const MetaList list{BatchResultsPrefix(batch->ref.id), after, kPageRecords};
  meta_.Page(list, [this, batch, done](const Result<MetaReply>& page) {
    if (!page.ok()) return done(page.status());
    for (const MetaRecord& record : page->entries) {
      const BatchResult result = DecodeBatchResult(record);
      if (result.item >= batch->ended.size() || batch->ended[result.item]) continue;
      batch->ended[result.item] = true;
      ++batch->info.ended;
      if (result.final.code != Code::kOk) ++batch->info.failed;
    }
    if (page->more && !page->entries.empty()) {
      return LoadResults(batch, page->entries.back().key, done);
    }
    done(std::move(*batch));
  });
}

void BatchJournal::LoadItems(const BatchRef& ref, uint32_t first, const Done<BatchItems>& done) {
  const MetaList list{.prefix = BatchItemsPrefix(ref.id),
                      .after = first == 0 ? "" : BatchItemsKey(ref.id, first - 1),
                      .limit = 1};
  meta_.Page(list, [done](const Result<MetaReply>& page) {
    if (!page.ok()) return done(page.status());
    if (page->entries.empty()) {
      return done(BatchItems{.first = std::numeric_limits<uint32_t>::max()});
    }
    done(DecodeBatchItems(page->entries.front()));
  });
}

void BatchJournal::Keep(const BatchRef& ref, const BatchResult& result, const Ended& done) {
  meta_.Swap(Fenced(ref, BatchResultKey(ref.id, result.item), EncodeBatchResult(result)),
             StatusOnly(done));
}

void BatchJournal::End(const BatchRef& ref, const BatchInfo& info, const Ended& done) {
  meta_.Get(BatchHeadKey(ref.id), [this, ref, info, done](const Result<Records>& found) {
    if (!found.ok()) return done(found.status());
    if (found->empty()) return done(NoSuchBatch(ref.id));
    auto head = DecodeBatchHead(found->front());
    if (!head.ok()) return done(head.status());
    head->info = info;
    MetaSet set = Fenced(ref, BatchHeadKey(ref.id), EncodeBatchHead(*head));
    set.expected = found->front().revision;
    meta_.Swap(set, [this, ref, done](const Result<Records>& written) {
      if (!written.ok()) return done(written.status());
      meta_.Swap(FencedRemoval(ref, BatchOwnerKey(ref.id), ref.fence), StatusOnly(done));
    });
  });
}

void BatchJournal::Results(const RequestId& batch, const BatchQuery& query,
                           const Done<BatchReply>& done) {
  const MetaList list{
      .prefix = BatchResultsPrefix(batch),
      .after = query.first == 0 ? "" : BatchResultKey(batch, query.first - 1),
      .limit = query.limit == 0 ? kPageRecords : std::min(query.limit, kPageRecords)};
  meta_.Page(list, [done](const Result<MetaReply>& page) {
    if (!page.ok()) return done(page.status());
    BatchReply reply{.more = page->more};
    uint64_t bytes = 0;
    for (const MetaRecord& record : page->entries) {
      bytes += record.value.size();
      if (bytes > kReplyBytes && !reply.results.empty()) {
        reply.more = true;
        break;
      }
      reply.results.push_back(DecodeBatchResult(record));
    }
    done(std::move(reply));
  });
}

// ---- and one that goes ----

void BatchJournal::RemoveHead(const BatchRef& ref, uint64_t revision, const Ended& done) {
  meta_.Swap(FencedRemoval(ref, BatchHeadKey(ref.id), revision), StatusOnly(done));
}

void BatchJournal::Erase(const BatchRef& ref, const Ended& done) {
  EraseAll(ref, BatchResultsPrefix(ref.id), [this, ref, done](const Status& results) {
    if (!results.ok()) return done(results);
    EraseAll(ref, BatchItemsPrefix(ref.id), [this, ref, done](const Status& items) {
      if (!items.ok()) return done(items);
      meta_.Swap(FencedRemoval(ref, BatchOwnerKey(ref.id), ref.fence), StatusOnly(done));
    });
  });
}

void BatchJournal::EraseAll(const BatchRef& ref, const std::string& prefix, const Ended& done) {
  meta_.Page({.prefix = prefix, .limit = kPageRecords},
             [this, ref, prefix, done](Result<MetaReply> page) {
               if (!page.ok()) return done(page.status());
               if (page->entries.empty()) return done({});
               EraseNext(ref, std::make_shared<Records>(std::move(page->entries)),
                         [this, ref, prefix, done](const Status& erased) {
                           if (!erased.ok()) return done(erased);
                           EraseAll(ref, prefix, done);
                         });
             });
}

void BatchJournal::EraseNext(const BatchRef& ref, const std::shared_ptr<Records>& left,
                             const Ended& done) {
  if (left->empty()) return done({});
  const MetaRecord record = std::move(left->back());
  left->pop_back();
  meta_.Swap(FencedRemoval(ref, record.key, record.revision),
             [this, ref, left, done](const Result<Records>& removed) {
               if (!removed.ok()) return done(removed.status());
               EraseNext(ref, left, done);
             });
}

}  // namespace promptcache
