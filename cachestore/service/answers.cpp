#include "cachestore/service/answers.h"

#include <algorithm>
#include <string>

#include "cachestore/service/wire.h"

namespace promptcache {
namespace {

// Offsets, vtables and numbers of one record, rounded up.
constexpr uint64_t kRecordOverhead = 256;
constexpr uint64_t kMaxAnswerBytes = kMaxStoreMessageBytes - (1 << 20);

Status TooLarge(const std::string& what) {
  return ResourceExhausted(what + " do not fit into one answer of " +
                           std::to_string(kMaxAnswerBytes) + " bytes");
}

uint64_t ReferenceBytes(const Reference& reference) {
  return kRecordOverhead + reference.tenant.size() + reference.schema.size() +
         reference.version.size() + reference.module.size();
}

uint64_t RecordBytes(const BlobInfo& info) {
  const Identity& identity = info.identity;
  uint64_t bytes = kRecordOverhead + identity.weights.size() + identity.tokenizer.size() +
                   identity.positions.size() + identity.dtype.size() + identity.kv_layout.size() +
                   identity.encoder.size();
  for (const BlobReference& one : info.use.references) bytes += ReferenceBytes(one.reference);
  return bytes;
}

Message ListBlobs(BlobStore& store, const BlobList& list) {
  const auto stats = store.Stats();
  if (!stats.ok()) return ReplyOf(stats.status());
  constexpr uint32_t kMost = 16'384;
  const uint32_t limit = list.limit == 0 ? kMost : std::min(list.limit, kMost);
  auto page = store.List({.after = list.after, .limit = limit});
  if (!page.ok()) return ReplyOf(page.status());
  BlobListReply reply{.puts = stats->puts,
                      .gets = stats->gets,
                      .hits = stats->hits,
                      .corruptions = stats->corruptions,
                      .bytes = stats->bytes,
                      .more = page->more};
  uint64_t bytes = 0;
  for (const BlobInfo& info : page->blobs) {
    bytes += RecordBytes(info);
    if (bytes > kMaxAnswerBytes) {
      if (reply.blobs.empty()) return ReplyOf(TooLarge("the references of a blob"));
      reply.more = true;
      break;
    }
    reply.blobs.push_back(RecordOf(info));
  }
  return reply;
}

// The answer itself, or why there is none.
template <typename T>
Message AnswerOf(Result<T> answer) {
  if (!answer.ok()) return ReplyOf(answer.status());
  return std::move(answer).value();
}

Message Remove(StoreAdmin& admin, const RemoveReferences& request) {
  auto receipt = admin.RemoveReferences(request.selector, request.erasure);
  if (!receipt.ok()) return ReplyOf(receipt.status());
  uint64_t bytes = kRecordOverhead * (receipt->removed.size() + receipt->still_on_disk.size());
  for (const KeptBlob& blob : receipt->shared) {
    bytes += kRecordOverhead;
    for (const Reference& reference : blob.references) bytes += ReferenceBytes(reference);
  }
  // It is done all the same: the sender is told that much.
  if (bytes > kMaxAnswerBytes) return ReplyOf(TooLarge("the receipt of a removal that was made"));
  return std::move(receipt).value();
}

Message ListMeta(MetaStore& meta, const MetaList& list) {
  auto page = meta.Page({list.prefix, list.after, list.limit, kMaxAnswerBytes});
  if (!page.ok()) return ReplyOf(page.status());
  MetaReply reply{.more = page->more};
  for (MetaEntry& entry : page->entries) reply.entries.push_back(RecordOf(std::move(entry)));
  return reply;
}

Message GetMeta(MetaStore& meta, const std::string& key) {
  auto entry = meta.Get(key);
  if (!entry.ok()) return ReplyOf(entry.status());
  MetaReply reply;
  if (*entry) reply.entries.push_back(RecordOf(std::move(**entry)));
  return reply;
}

Message SetMeta(MetaStore& meta, const MetaSet& set) {
  const MetaFence fence{set.fence, set.fence_revision};
  if (set.remove) return ReplyOf(meta.CompareAndRemove(set.key, set.expected, fence));
  const auto revision = meta.CompareAndSet(set.key, set.expected, set.value, fence);
  if (!revision.ok()) return ReplyOf(revision.status());
  return MetaReply{{{set.key, "", *revision}}};
}

bool IsMeta(const Message& request) {
  return std::holds_alternative<MetaGet>(request) || std::holds_alternative<MetaSet>(request) ||
         std::holds_alternative<MetaList>(request);
}

bool IsAdmin(const Message& request) {
  return std::holds_alternative<RemoveReferences>(request) ||
         std::holds_alternative<SetPins>(request) || std::holds_alternative<CheckStore>(request) ||
         std::holds_alternative<CollectGarbage>(request);
}

Message AnswerMeta(MetaStore& meta, const Message& request) {
  if (const auto* get = std::get_if<MetaGet>(&request)) return GetMeta(meta, get->key);
  if (const auto* set = std::get_if<MetaSet>(&request)) return SetMeta(meta, *set);
  return ListMeta(meta, std::get<MetaList>(request));
}

Message AnswerAdmin(StoreAdmin& admin, const Message& request) {
  if (const auto* remove = std::get_if<RemoveReferences>(&request)) return Remove(admin, *remove);
  if (const auto* pins = std::get_if<SetPins>(&request)) {
    return AnswerOf(admin.SetPins(pins->selector, pins->change));
  }
  if (const auto* check = std::get_if<CheckStore>(&request)) {
    return AnswerOf(admin.Check(check->mode));
  }
  return AnswerOf(admin.CollectGarbage());
}

}  // namespace

bool IsStoreRequest(const Message& message) {
  return IsMeta(message) || IsAdmin(message) || std::holds_alternative<BlobList>(message) ||
         std::holds_alternative<BlobExists>(message) ||
         std::holds_alternative<BlobRemove>(message) ||
         std::holds_alternative<RecordImports>(message) ||
         std::holds_alternative<StoreStatsQuery>(message);
}

Message AnswerRequest(const StoreParts& store, const Message& request) {
  if (IsMeta(request)) {
    if (store.meta != nullptr) return AnswerMeta(*store.meta, request);
    return ReplyOf(FailedPrecondition("this cachestore keeps no records (store.meta = false)"));
  }
  if (IsAdmin(request)) return AnswerAdmin(store.admin, request);
  BlobStore& blobs = store.blobs;
  if (const auto* list = std::get_if<BlobList>(&request)) return ListBlobs(blobs, *list);
  if (std::holds_alternative<StoreStatsQuery>(request)) return AnswerOf(blobs.Stats());
  if (const auto* record = std::get_if<RecordImports>(&request)) {
    return ReplyOf(blobs.RecordImports(record->imports));
  }
  if (const auto* exists = std::get_if<BlobExists>(&request)) {
    const auto present = blobs.Contains(exists->keys);
    if (!present.ok()) return ReplyOf(present.status());
    return BlobExistsReply{std::vector<uint8_t>(present->begin(), present->end())};
  }
  if (const auto* remove = std::get_if<BlobRemove>(&request)) {
    return ReplyOf(blobs.Remove(remove->key));
  }
  return ReplyOf(Internal("not a request of a cachestore"));
}

uint64_t RequestBytes(const Message& request) {
  uint64_t bytes = sizeof(Message);
  if (const auto* set = std::get_if<MetaSet>(&request))
    bytes += set->key.size() + set->value.size() + set->fence.size();
  if (const auto* get = std::get_if<MetaGet>(&request)) bytes += get->key.size();
  if (const auto* list = std::get_if<MetaList>(&request))
    bytes += list->prefix.size() + list->after.size();
  if (const auto* exists = std::get_if<BlobExists>(&request)) {
    bytes += exists->keys.size() * sizeof(UnitKey);
  }
  if (const auto* remove = std::get_if<RemoveReferences>(&request)) {
    bytes += remove->selector.keys.size() * sizeof(UnitKey);
  }
  if (const auto* pins = std::get_if<SetPins>(&request)) {
    bytes += pins->selector.keys.size() * sizeof(UnitKey);
  }
  if (const auto* record = std::get_if<RecordImports>(&request)) {
    for (const UnitImport& one : record->imports) bytes += ReferenceBytes(one.import.reference);
  }
  if (const auto* put = std::get_if<PutBlob>(&request)) {
    for (const Import& import : put->imports) bytes += ReferenceBytes(import.reference);
  }
  if (const auto* fetch = std::get_if<FetchBlob>(&request)) bytes += fetch->window.size();
  return bytes;
}

}  // namespace promptcache
