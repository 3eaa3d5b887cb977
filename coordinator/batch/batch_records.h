// What of batches is kept in the meta store: keys, values, and what is refused before any of it is
// written. Pure.
//
//   job/batch/ID          the head: what the batch is. There is a batch from when it is written
//   job/items/ID/LAST     items, in chunks of about a megabyte; LAST is the number of the last one
//   job/result/ID/ITEM    what became of an item: written once
//   job/owner/ID          the life of the coordinator that writes all these; its revision is the
//                         fence of every write. Removed when every item has a result
//   job/life/LIFE         renewed by a coordinator for as long as it owns batches, with their
//                         progress
//
// ID is the batch's id within its tenant: ids of others are not known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/hash.h"

namespace promptcache {

inline constexpr char kBatchHeadPrefix[] = "job/batch/";
inline constexpr char kBatchOwnerPrefix[] = "job/owner/";
inline constexpr char kBatchLifePrefix[] = "job/life/";

std::string BatchHeadKey(const RequestId& batch);
std::string BatchOwnerKey(const RequestId& batch);
std::string BatchLifeKey(const RequestId& life);
std::string BatchItemsPrefix(const RequestId& batch);
std::string BatchItemsKey(const RequestId& batch, uint32_t last);
std::string BatchResultsPrefix(const RequestId& batch);
std::string BatchResultKey(const RequestId& batch, uint32_t item);
// Of a head, an owner or a life. kDataLoss for a key that is none.
Result<RequestId> IdOfBatchKey(const std::string& key);

// ---- values; what does not decode is kDataLoss naming the key ----

struct BatchHead {
  BatchInfo info;      // counts are kept when all items have ended
  Digest256 content;   // of the items
  uint64_t bytes = 0;  // of their records; 0 also for a head of before it was counted
};
// A batch as its head says.
struct KeptBatch {
  RequestId id;  // within its tenant
  BatchHead head;
  uint64_t revision = 0;
};
std::string EncodeBatchHead(const BatchHead& head);
Result<BatchHead> DecodeBatchHead(const MetaRecord& record);

std::string EncodeBatchOwner(const RequestId& life);
Result<RequestId> DecodeBatchOwner(const MetaRecord& record);

std::string EncodeBatchLife(const std::vector<BatchInfo>& progress);
Result<std::vector<BatchInfo>> DecodeBatchLife(const MetaRecord& record);

// What does not decode is a result that says so: the item has run.
std::string EncodeBatchResult(const BatchResult& result);
BatchResult DecodeBatchResult(const MetaRecord& record);

// What does not decode is no items, and `first` behind them.
struct BatchItems {
  uint32_t first = 0;
  std::vector<BatchItem> items;
};
BatchItems DecodeBatchItems(const MetaRecord& record);

// Of its texts.
uint64_t BytesOf(const BatchItem& item);

// ---- a batch as it comes ----

struct BatchLimits {
  uint32_t max_items = 65'536;
  uint64_t max_prompt_bytes = 0;
  uint64_t max_name_bytes = 1024;
  uint64_t chunk_bytes = 1 << 20;  // of prompts, unless one alone is larger
};

struct BatchChunk {
  uint32_t last = 0;
  std::string value;
};
struct EncodedBatch {
  uint32_t items = 0;
  Digest256 content;
  uint64_t bytes = 0;  // of the chunks
  std::vector<BatchChunk> chunks;
};
// kInvalidArgument naming the item and what is wrong with it; kResourceExhausted for too many.
Result<EncodedBatch> EncodeBatch(BatchAdd add, const BatchLimits& limits);

}  // namespace promptcache
