// The store interfaces that the memory store, the RocksDB store and the remote store implement.
// One conformance test (tests/unit/cachestore) runs over all of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/hash.h"
#include "common/references.h"
#include "common/status.h"
#include "common/store_reports.h"
#include "common/types.h"

namespace promptcache {

// What a store knows of a committed blob without reading its tensors.
struct BlobInfo {
  UnitKey key;
  RecipeDigest recipe;
  Identity identity;
  EncodingMode mode = EncodingMode::kAnchored;
  uint64_t bytes = 0;   // the whole blob: prefix, header, padding, tensors
  uint32_t tokens = 0;  // rows
  uint32_t context_tokens = 0;
  uint64_t committed_unix_ms = 0;
  double encode_seconds = 0;  // what encoding it cost the worker that wrote it
  BlobUse use;
  bool operator==(const BlobInfo&) const = default;
};

struct PutRequest {
  UnitKey key;
  uint64_t bytes = 0;
  std::vector<Import> imports;  // its references with the commit, not counted as uses
};

// Which part of a list, in key order.
struct BlobPageRequest {
  std::optional<UnitKey> after;  // the last key of the page before
  uint32_t limit = 4096;         // at least 1; a page may be shorter
};
struct BlobPage {
  std::vector<BlobInfo> blobs;
  bool more = false;
};

// One blob being written. Not thread safe. Destruction without Commit drops what was written.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Appends bytes in order. kInvalidArgument past the announced size; kResourceExhausted when full.
  virtual Status Append(std::span<const uint8_t> bytes) = 0;
  // Verifies prefix, header and every segment checksum, then makes the blob durable (chunks first,
  // then the manifest). OK means committed: the blob survives a crash. kDataLoss when verification
  // fails, kInvalidArgument when bytes are missing; in both cases nothing is stored.
  // kFailedPrecondition after a Commit that was OK; after one that failed the writer is of no use.
  virtual Status Commit() = 0;
};

// Bytes of a store with what keeps them alive.
struct PinnedBytes {
  std::shared_ptr<const void> owner;
  std::span<const uint8_t> bytes;
};

// Bytes as they lie in a store, and the hash that they have when they are what was stored. Nobody
// has looked at them yet, and nobody may: they may be a file in memory, where a touch can be a
// signal. They are for system calls, which fail instead, on their way to who checks the hash.
struct UncheckedBytes {
  std::shared_ptr<const void> owner;
  std::span<const uint8_t> bytes;
  uint64_t offset = 0;  // of the first, in the blob
  Hash128 hash;         // XXH3-128
};

// One committed blob being read. Not thread safe. Keeps the blob readable while it lives, except
// over the wire, where a blob removed meanwhile is kNotFound.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual uint64_t size() const = 0;
  // Fills `out` from `offset`. kInvalidArgument past the end; kDataLoss when a chunk fails its
  // checksum (the blob is then dropped and counted); kUnavailable when the store is gone.
  virtual Status Read(uint64_t offset, std::span<uint8_t> out) = 0;
  // From 1 to `limit` bytes from `offset`, as many as can be had at once, without a copy where the
  // store can. REQUIRES: limit > 0. The errors of Read.
  virtual Result<PinnedBytes> ReadPinned(uint64_t offset, uint64_t limit) {
    if (offset >= size()) return InvalidArgument("read past the end of a blob");
    const std::shared_ptr<uint8_t[]> owner(new uint8_t[std::min(limit, size() - offset)]);
    const std::span<uint8_t> bytes(owner.get(), std::min(limit, size() - offset));
    PC_RETURN_IF_ERROR(Read(offset, bytes));
    return PinnedBytes{owner, bytes};
  }
  // A piece, of at most kMaxUncheckedBytes, that holds the byte at `offset`. The errors of Read.
  static constexpr uint64_t kMaxUncheckedBytes = 1 << 20;
  virtual Result<UncheckedBytes> ReadUnchecked(uint64_t offset) {
    PC_ASSIGN_OR_RETURN(PinnedBytes piece, ReadPinned(offset, kMaxUncheckedBytes));
    return UncheckedBytes{std::move(piece.owner), piece.bytes, offset, Xxh3_128(piece.bytes)};
  }
};

// Encoded units by key. All methods may be called from any thread.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  // kAlreadyExists when the key is committed (it has the references then); kBusy while another
  // writer is storing it; kResourceExhausted when `bytes` is over the limit, or what is pinned or
  // being written leaves no room, or the disk is full. Blobs that are worth least make room.
  virtual Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) = 0;
  // kNotFound when the key is not committed; kDataLoss when what the store keeps of it is damaged
  // (the blob is then dropped and counted).
  virtual Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) = 0;
  // As Open, for looking at a blob: nothing is counted, and damage is told but changes nothing.
  virtual Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) = 0;
  // One flag per key: committed or not.
  virtual Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) = 0;
  virtual Result<BlobPage> List(const BlobPageRequest& request) = 0;
  // Counts a use of each unit and adds or renews its reference; of a unit that is being written,
  // with its commit. Other keys that are not committed are passed over. New references and pins of
  // committed units are durable with the answer, the rest within seconds.
  virtual Status RecordImports(std::span<const UnitImport> imports) = 0;
  // OK also when the key is absent.
  virtual Status Remove(const UnitKey& key) = 0;
  // A reader found the key's bytes damaged: drop the blob and count it. OK when the key is absent.
  // Over the wire the store looks itself first: kFailedPrecondition when the blob is sound, and
  // stays; kBusy while it looks into another report.
  virtual Status ReportCorrupt(const UnitKey& key) = 0;
  virtual Result<StoreStats> Stats() = 0;
};

// Every page of the list.
Result<std::vector<BlobInfo>> ListAll(BlobStore& store);

struct MetaEntry {
  std::string key;
  std::string value;
  // One more with each write. A key that is written anew begins above all it ever had: nobody who
  // knew what was removed takes the new one for it.
  uint64_t revision = 0;
  bool operator==(const MetaEntry&) const = default;
};

// Another record, and the revision it must have (0: be absent) for a write to happen, atomically
// with it: whoever has lost what that record stands for can no longer write. No key: no fence.
struct MetaFence {
  std::string key;
  uint64_t revision = 0;
};

// As many entries as fit: keys and values, and 256 bytes for each, within `limit_bytes`.
struct MetaPageRequest {
  std::string prefix;
  std::string after;   // entries behind this key
  uint32_t limit = 0;  // 0: any number
  uint64_t limit_bytes = UINT64_MAX;
};
struct MetaPage {
  std::vector<MetaEntry> entries;
  bool more = false;  // behind the last of these
};

// Small durable records (schemas, recipes) with compare-and-set. A successful write is synced.
// All methods may be called from any thread. Keys are at most 1 KiB, values at most 64 MiB. A
// record that is damaged is kDataLoss naming its key to whoever asks for it or expects a revision
// of it, and as if absent to whoever expects 0: so it can be written anew or removed. Lists pass it
// over.
class MetaStore {
 public:
  virtual ~MetaStore() = default;
  virtual Result<std::optional<MetaEntry>> Get(const std::string& key) = 0;
  // Writes when the key's revision is `expected` (0: the key is absent) and returns the new one.
  // kFailedPrecondition naming both revisions otherwise, the fence's if that is the one.
  virtual Result<uint64_t> CompareAndSet(const std::string& key, uint64_t expected,
                                         const std::string& value, const MetaFence& fence = {}) = 0;
  // Removes when the revision matches; the same errors.
  virtual Status CompareAndRemove(const std::string& key, uint64_t expected,
                                  const MetaFence& fence = {}) = 0;
  // Entries whose key begins with the prefix, in key order. kResourceExhausted naming the first one
  // when not even that fits.
  virtual Result<MetaPage> Page(const MetaPageRequest& request) = 0;

  // Every page. kResourceExhausted as soon as all together are over `limit_bytes`.
  Result<std::vector<MetaEntry>> List(const std::string& prefix, uint64_t limit_bytes);
};

}  // namespace promptcache
