// What `store ls` shows, and in which order. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cachestore/store.h"
#include "common/store_reports.h"

namespace promptcache {

struct BlobFilter {
  BlobSelector selector;  // without keys: every one
  std::string model;      // first digits of the identity's weights; empty: every one
  bool pinned = false;    // only what is pinned, by an operator or by a reference
};
std::vector<BlobInfo> FilterBlobs(const BlobFilter& filter, std::vector<BlobInfo> blobs);

enum class BlobOrder : uint8_t { kKey, kSize, kAge, kUsed, kSaved, kTokens, kSchema };
// The most first: the largest, the oldest, the one used last, the one that saved most. Schemas and
// keys ascend. Equal ones by key.
void SortBlobs(BlobOrder order, std::vector<BlobInfo>& blobs);

// Of encoding, by all imports of the blob together.
double SavedSeconds(const BlobInfo& blob);

nlohmann::json ReferenceToJson(const Reference& reference);
nlohmann::json BlobToJson(const BlobInfo& blob);
// {"blobs": [..], "totals": {"blobs", "bytes", "tokens", "encode_seconds", "saved_seconds"}}
nlohmann::json BlobsToJson(const std::vector<BlobInfo>& blobs);
// A row for each and a line of totals.
std::string RenderBlobs(const std::vector<BlobInfo>& blobs, uint64_t now_unix_ms);

}  // namespace promptcache
