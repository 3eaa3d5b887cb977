#include "coordinator/batch/batch_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cluster/wire/codec.h"

namespace promptcache {
namespace {

constexpr uint32_t kMaxItemsInChunk = 1024;
constexpr size_t kDigitsOfBytes = 16;
constexpr size_t kMaxShortTextBytes = 256;  // of a model's name and a version

std::string ToRecord(Message body) {
  const std::vector<uint8_t> bytes = EncodeEnvelope({.body = std::move(body)});
  return {bytes.begin(), bytes.end()};
}

std::span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Status Damaged(const MetaRecord& record, const std::string& what) {
  return DataLoss("the record '" + record.key + "' is damaged: " + what);
}

template <typename T>
Result<T> FromRecord(const MetaRecord& record, std::string_view value) {
  Result<Envelope> envelope = DecodeEnvelope(BytesOf(value));
  if (!envelope.ok()) return Damaged(record, envelope.status().message());
  if (auto* body = std::get_if<T>(&envelope->body)) return std::move(*body);
  return Damaged(record, "it holds another message");
}

std::string Numbered(const std::string& prefix, uint32_t number) {
  return fmt::format("{}{:08x}", prefix, number);
}

// At the end of the key of items or of a result.
uint32_t NumberOf(const std::string& key) {
  return static_cast<uint32_t>(std::strtoul(key.c_str() + key.rfind('/') + 1, nullptr, 16));
}

Status Check(const BatchItem& item, const BatchLimits& limits) {
  if (item.name.size() > limits.max_name_bytes) {
    return InvalidArgument(fmt::format("its name has {} bytes; at most {} are allowed",
                                       item.name.size(), limits.max_name_bytes));
  }
  if (item.submit.prompt.empty()) return InvalidArgument("it has no prompt");
  if (item.submit.prompt.size() > limits.max_prompt_bytes) {
    return InvalidArgument(fmt::format("its prompt has {} bytes; at most {} are allowed",
                                       item.submit.prompt.size(), limits.max_prompt_bytes));
  }
  for (const std::string_view text :
       {std::string_view(item.submit.model), std::string_view(item.submit.version)}) {
    if (text.size() <= kMaxShortTextBytes) continue;
    return InvalidArgument(fmt::format("its model or version has {} bytes; at most {} are allowed",
                                       text.size(), kMaxShortTextBytes));
  }
  return item.submit.options.Validate();
}

Status Check(const BatchAdd& add, const BatchLimits& limits) {
  if (add.items.empty()) return InvalidArgument("the batch is empty");
  if (add.items.size() > limits.max_items) {
    return ResourceExhausted(
        fmt::format("the batch has {} items; at most {} are allowed: send "
                    "them in several batches",
                    add.items.size(), limits.max_items));
  }
  for (size_t i = 0; i < add.items.size(); ++i) {
    PC_RETURN_IF_ERROR(Check(add.items[i], limits).WithContext(fmt::format("item {}", i)));
  }
  return {};
}

}  // namespace

// ---- keys ----

std::string BatchHeadKey(const RequestId& batch) { return kBatchHeadPrefix + batch.ToHex(); }
std::string BatchOwnerKey(const RequestId& batch) { return kBatchOwnerPrefix + batch.ToHex(); }
std::string BatchLifeKey(const RequestId& life) { return kBatchLifePrefix + life.ToHex(); }
std::string BatchItemsPrefix(const RequestId& batch) { return "job/items/" + batch.ToHex() + "/"; }
std::string BatchItemsKey(const RequestId& batch, uint32_t last) {
  return Numbered(BatchItemsPrefix(batch), last);
}
std::string BatchResultsPrefix(const RequestId& batch) {
  return "job/result/" + batch.ToHex() + "/";
}
std::string BatchResultKey(const RequestId& batch, uint32_t item) {
  return Numbered(BatchResultsPrefix(batch), item);
}

Result<RequestId> IdOfBatchKey(const std::string& key) {
  Result<RequestId> id = RequestId::FromHex(key.substr(key.rfind('/') + 1));
  if (id.ok()) return id;
  return DataLoss("the key '" + key + "' does not end in an id");
}

// ---- values ----

std::string EncodeBatchHead(const BatchHead& head) {
  return std::string(head.content.bytes.begin(), head.content.bytes.end()) +
         fmt::format("{:016x}", head.bytes) + ToRecord(BatchReply{.batches = {head.info}});
}

Result<BatchHead> DecodeBatchHead(const MetaRecord& record) {
  BatchHead head;
  const size_t digest = head.content.bytes.size();
  if (record.value.size() < digest) return Damaged(record, "it is cut short");
  std::copy_n(record.value.begin(), digest, head.content.bytes.begin());
  std::string_view rest = std::string_view(record.value).substr(digest);
  Result<BatchReply> old = FromRecord<BatchReply>(record, rest);
  if (!old.ok() && rest.size() > kDigitsOfBytes) {
    head.bytes = std::strtoull(std::string(rest.substr(0, kDigitsOfBytes)).c_str(), nullptr, 16);
    rest.remove_prefix(kDigitsOfBytes);
  }
  PC_ASSIGN_OR_RETURN(BatchReply reply,
                      old.ok() ? std::move(old) : FromRecord<BatchReply>(record, rest));
  if (reply.batches.size() != 1) return Damaged(record, "it is not of one batch");
  head.info = std::move(reply.batches.front());
  return head;
}

std::string EncodeBatchOwner(const RequestId& life) { return life.ToHex(); }

Result<RequestId> DecodeBatchOwner(const MetaRecord& record) {
  const Result<RequestId> life = RequestId::FromHex(record.value);
  return life.ok() ? life : Damaged(record, life.status().message());
}

std::string EncodeBatchLife(const std::vector<BatchInfo>& progress) {
  return ToRecord(BatchReply{.batches = progress});
}

Result<std::vector<BatchInfo>> DecodeBatchLife(const MetaRecord& record) {
  PC_ASSIGN_OR_RETURN(BatchReply reply, FromRecord<BatchReply>(record, record.value));
  return std::move(reply.batches);
}

std::string EncodeBatchResult(const BatchResult& result) {
  return ToRecord(BatchReply{.results = {result}});
}

BatchResult DecodeBatchResult(const MetaRecord& record) {
  Result<BatchReply> reply = FromRecord<BatchReply>(record, record.value);
  if (reply.ok() && reply->results.size() == 1) return std::move(reply->results.front());
  const Status why = reply.ok() ? Damaged(record, "it is not of one item") : reply.status();
  return {.item = NumberOf(record.key), .final = {.code = why.code(), .message = why.message()}};
}

BatchItems DecodeBatchItems(const MetaRecord& record) {
  const uint32_t end = NumberOf(record.key) + 1;
  Result<BatchAdd> add = FromRecord<BatchAdd>(record, record.value);
  if (!add.ok() || add->items.size() > end) return {.first = end};
  return {.first = end - static_cast<uint32_t>(add->items.size()), .items = std::move(add->items)};
}

uint64_t BytesOf(const BatchItem& item) {
  const Submit& submit = item.submit;
  uint64_t bytes = item.name.size() + submit.prompt.size() + submit.model.size() +
                   submit.version.size() + submit.options.stop_ids.size() * sizeof(TokenId);
  for (const std::string& stop : submit.options.stop_strings) bytes += stop.size();
  return bytes;
}

// ---- a batch as it comes ----

Result<EncodedBatch> EncodeBatch(BatchAdd add, const BatchLimits& limits) {
  PC_RETURN_IF_ERROR(Check(add, limits));
  EncodedBatch batch{.items = static_cast<uint32_t>(add.items.size())};
  Blake2b content;
  BatchAdd chunk;
  uint64_t bytes = 0;
  const auto flush = [&](uint32_t end) {
    if (chunk.items.empty()) return;
    batch.chunks.push_back({.last = end - 1, .value = ToRecord(std::exchange(chunk, {}))});
    content.AddString(batch.chunks.back().value);
    batch.bytes += batch.chunks.back().value.size();
    bytes = 0;
  };
  for (uint32_t i = 0; i < batch.items; ++i) {
    BatchItem& item = add.items[i];
    // What is a client's own when it sends a request itself.
    item.submit.tried.clear();
    item.submit.delivered = {};
    const uint64_t more = BytesOf(item);
    if (bytes + more > limits.chunk_bytes || chunk.items.size() == kMaxItemsInChunk) flush(i);
    bytes += more;
    chunk.items.push_back(std::move(item));
  }
  flush(batch.items);
  batch.content = content.Finish();
  return batch;
}

}  // namespace promptcache
