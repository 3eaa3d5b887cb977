#include "cachestore/service/answers.h"

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

Message ListBlobs(BlobStore& store) {
  auto blobs = store.List();
  if (!blobs.ok()) return ReplyOf(blobs.status());
  const auto stats = store.Stats();
  if (!stats.ok()) return ReplyOf(stats.status());
  BlobListReply reply{.puts = stats->puts,
                      .gets = stats->gets,
                      .hits = stats->hits,
                      .corruptions = stats->corruptions,
                      .bytes = stats->bytes};
  uint64_t bytes = 0;
  for (const BlobInfo& info : *blobs) {
    const Identity& identity = info.identity;
    bytes += kRecordOverhead + identity.weights.size() + identity.tokenizer.size() +
             identity.positions.size() + identity.dtype.size() + identity.kv_layout.size() +
             identity.encoder.size();
    if (bytes > kMaxAnswerBytes) {
      return ReplyOf(TooLarge("the records of " + std::to_string(blobs->size()) + " blobs"));
    }
    reply.blobs.push_back(RecordOf(info));
  }
  return reply;
}

Message ListMeta(MetaStore& meta, const std::string& prefix) {
  auto entries = meta.List(prefix);
  if (!entries.ok()) return ReplyOf(entries.status());
  MetaReply reply;
  uint64_t bytes = 0;
  for (MetaEntry& entry : *entries) {
    bytes += kRecordOverhead + entry.key.size() + entry.value.size();
    if (bytes > kMaxAnswerBytes) {
      return ReplyOf(TooLarge("the " + std::to_string(entries->size()) +
                              " records whose key begins with '" + prefix + "'"));
    }
    reply.entries.push_back(RecordOf(std::move(entry)));
  }
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
  if (set.remove) return ReplyOf(meta.CompareAndRemove(set.key, set.expected));
  const auto revision = meta.CompareAndSet(set.key, set.expected, set.value);
  if (!revision.ok()) return ReplyOf(revision.status());
  return MetaReply{{{set.key, "", *revision}}};
}

bool IsMeta(const Message& request) {
  return std::holds_alternative<MetaGet>(request) || std::holds_alternative<MetaSet>(request) ||
         std::holds_alternative<MetaList>(request);
}

}  // namespace

bool IsStoreRequest(const Message& message) {
  return IsMeta(message) || std::holds_alternative<BlobList>(message) ||
         std::holds_alternative<BlobExists>(message) || std::holds_alternative<BlobRemove>(message);
}

Message AnswerRequest(BlobStore& blobs, MetaStore* meta, const Message& request) {
  if (IsMeta(request) && meta == nullptr) {
    return ReplyOf(FailedPrecondition("this cachestore keeps no records (store.meta = false)"));
  }
  if (const auto* get = std::get_if<MetaGet>(&request)) return GetMeta(*meta, get->key);
  if (const auto* set = std::get_if<MetaSet>(&request)) return SetMeta(*meta, *set);
  if (const auto* list = std::get_if<MetaList>(&request)) return ListMeta(*meta, list->prefix);
  if (std::holds_alternative<BlobList>(request)) return ListBlobs(blobs);
  if (const auto* exists = std::get_if<BlobExists>(&request)) {
    const auto present = blobs.Contains(exists->keys);
    if (!present.ok()) return ReplyOf(present.status());
    return BlobExistsReply{std::vector<uint8_t>(present->begin(), present->end())};
  }
  if (const auto* remove = std::get_if<BlobRemove>(&request)) {
    return ReplyOf(remove->corrupt ? blobs.ReportCorrupt(remove->key) : blobs.Remove(remove->key));
  }
  return ReplyOf(Internal("not a request of a cachestore"));
}

uint64_t RequestBytes(const Message& request) {
  uint64_t bytes = sizeof(Message);
  if (const auto* set = std::get_if<MetaSet>(&request))
    bytes += set->key.size() + set->value.size();
  if (const auto* get = std::get_if<MetaGet>(&request)) bytes += get->key.size();
  if (const auto* list = std::get_if<MetaList>(&request)) bytes += list->prefix.size();
  if (const auto* exists = std::get_if<BlobExists>(&request)) {
    bytes += exists->keys.size() * sizeof(UnitKey);
  }
  return bytes;
}

}  // namespace promptcache
