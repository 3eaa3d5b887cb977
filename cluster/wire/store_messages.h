// Messages of a cachestore, as plain values. Included through cluster/wire/messages.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/references.h"
#include "common/status.h"
#include "common/store_reports.h"
#include "common/types.h"

namespace promptcache {

// ---- cachestore ----

// Answered by Chunk* then Done; the server sends at most `credit` bytes, then waits for Credit.
struct FetchBlob {
  UnitKey key;
  uint64_t offset = 0;
  uint64_t length = 0;  // 0: to the end
  uint64_t credit = 0;
  bool inspect = false;  // nothing is counted, and damage changes nothing
  // Name of a shared memory object of the sender (cachestore/service/shared_window.h). A server
  // that can open it puts the bytes there.
  std::string window;
  bool operator==(const FetchBlob&) const = default;
};
struct Credit {
  uint64_t bytes = 0;
  bool operator==(const Credit&) const = default;
};
// The bytes travel in the payload frame.
struct Chunk {
  uint64_t offset = 0;
  uint64_t blob_bytes = 0;    // size of the whole blob
  uint64_t window_bytes = 0;  // that lie in the window instead of a payload frame
  Hash128 hash;               // of the bytes; only in a stream, elsewhere 0
  bool operator==(const Chunk&) const = default;
};
// Ends a fetch or a put.
struct Done {
  Code code = Code::kOk;
  std::string message;
  uint64_t bytes = 0;      // transferred (fetch: also the blob's size when length was 0)
  bool committed = false;  // a put that is durable
  bool operator==(const Done&) const = default;
};
// Answered by Credit (go on) or Done (already exists, over the limit). Then Chunk*, then PutCommit.
struct PutBlob {
  UnitKey key;
  uint64_t bytes = 0;
  std::vector<Import> imports;
  bool operator==(const PutBlob&) const = default;
};
struct PutCommit {
  bool operator==(const PutCommit&) const = default;
};
struct BlobExists {
  std::vector<UnitKey> keys;
  bool operator==(const BlobExists&) const = default;
};
struct BlobExistsReply {
  std::vector<uint8_t> present;  // one 0 or 1 per key
  bool operator==(const BlobExistsReply&) const = default;
};
struct BlobList {
  std::optional<UnitKey> after;  // records behind this key
  uint32_t limit = 0;            // 0: as many as fit
  bool operator==(const BlobList&) const = default;
};
struct BlobRecord {  // cachestore's BlobInfo on the wire
  UnitKey key;
  RecipeDigest recipe;
  Identity identity;
  EncodingMode mode = EncodingMode::kAnchored;
  uint64_t bytes = 0;
  uint32_t tokens = 0;
  uint32_t context_tokens = 0;
  uint64_t committed_unix_ms = 0;
  double encode_seconds = 0;
  BlobUse use;
  bool operator==(const BlobRecord&) const = default;
};
struct BlobListReply {
  std::vector<BlobRecord> blobs;
  uint64_t puts = 0;
  uint64_t gets = 0;
  uint64_t hits = 0;
  uint64_t corruptions = 0;
  uint64_t bytes = 0;
  bool more = false;  // behind the last of these records
  bool operator==(const BlobListReply&) const = default;
};
struct BlobRemove {  // answered by Reply
  UnitKey key;
  bool corrupt = false;  // a reader found it damaged
  bool operator==(const BlobRemove&) const = default;
};
struct MetaGet {
  std::string key;
  bool operator==(const MetaGet&) const = default;
};
struct MetaSet {  // answered by MetaReply with the new revision, or Reply
  std::string key;
  uint64_t expected = 0;
  bool remove = false;
  std::string value;
  // Unless empty: nothing is written but while the record of this key has this revision, so that a
  // coordinator that has lost what it owned can no longer write for it.
  std::string fence;
  uint64_t fence_revision = 0;
  bool operator==(const MetaSet&) const = default;
};
struct MetaList {
  std::string prefix;
  std::string after;   // records behind this key
  uint32_t limit = 0;  // 0: as many as fit
  bool operator==(const MetaList&) const = default;
};
struct MetaRecord {
  std::string key;
  std::string value;
  uint64_t revision = 0;
  bool operator==(const MetaRecord&) const = default;
};
struct MetaReply {
  std::vector<MetaRecord> entries;
  bool more = false;  // of a list, behind the last of these
  bool operator==(const MetaReply&) const = default;
};

// ---- cachestore: what operators do; selectors and answers are in common/store_reports.h ----

struct RecordImports {  // answered by Reply
  std::vector<UnitImport> imports;
  bool operator==(const RecordImports&) const = default;
};
struct StoreStatsQuery {
  bool operator==(const StoreStatsQuery&) const = default;
};
struct RemoveReferences {
  BlobSelector selector;
  Erasure erasure = Erasure::kDrop;
  bool operator==(const RemoveReferences&) const = default;
};
struct SetPins {
  BlobSelector selector;
  PinChange change = PinChange::kPin;
  bool operator==(const SetPins&) const = default;
};
struct CheckStore {
  CheckMode mode = CheckMode::kReport;
  bool operator==(const CheckStore&) const = default;
};
struct CollectGarbage {
  bool operator==(const CollectGarbage&) const = default;
};

}  // namespace promptcache
