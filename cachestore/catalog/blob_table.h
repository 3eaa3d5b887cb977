// The blobs of a store: which there are, what is known of their use, and every change of that. What
// a medium adds is how bytes are written and read, and a BlobKeeper that makes changes durable.
//
// Threads: everything may be called from any thread. Locks, in order: change_mutex_ (one durable
// change at a time, held while the keeper writes), mutex_ (memory only, held shortly; shared by
// those who only look, so that readers never wait for each other).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "cachestore/admin.h"
#include "cachestore/catalog/catalog.h"
#include "common/clock.h"
#include "common/counted_mutex.h"

namespace promptcache {

// A committed blob; what a medium knows of it besides is in a class of its own. Readers share it.
struct StoredBlob {
  virtual ~StoredBlob() = default;
  BlobInfo info;  // but for `use`
};
using StoredBlobPtr = std::shared_ptr<const StoredBlob>;

struct KeyedUse {
  UnitKey key;
  BlobUse use;
};

// Makes durable what the table decides. Called by one thread at a time.
class BlobKeeper {
 public:
  virtual ~BlobKeeper() = default;
  // The blobs are gone, after a crash too, when this is OK; none is when it is not.
  virtual Status Drop(std::span<const StoredBlobPtr> blobs) = 0;
  virtual Status SaveUses(std::span<const KeyedUse> uses) = 0;
};

struct NewBlob {
  std::shared_ptr<StoredBlob> blob;
  std::vector<Import> imports;
};

class BlobTable {
 public:
  // Clock and keeper outlive it.
  BlobTable(const CatalogLimits& limits, const Clock& clock, BlobKeeper& keeper)
      : clock_(clock), keeper_(keeper), catalog_(limits) {}

  // Blobs that were committed earlier. Before anything else.
  void Restore(std::shared_ptr<StoredBlob> blob, BlobUse use);

  // ---- puts ----

  // What the medium says to the bytes of all puts that run, with this one, when `freed` bytes go.
  using CheckRoom = std::function<Status(uint64_t reserved, uint64_t freed)>;
  // Makes room and reserves it until EndPut or Commit. The errors of BlobStore::StartPut, and of
  // `check`: then nothing was dropped for the put.
  Status StartPut(const PutRequest& put, const CheckRoom& check);
  void EndPut(const UnitKey& key, uint64_t bytes);
  // The same for a put of which a Commit may have been cut short by an exception.
  void AbandonPut(const UnitKey& key, uint64_t bytes);
  // `write` makes them durable with their uses, and is given these in the same order; then they
  // are there. Each has a put that was started, which ends with this, whatever comes of it.
  using WriteNew = std::function<Status(std::span<const KeyedUse>)>;
  Status Commit(std::span<const NewBlob> blobs, const WriteNew& write);
  // Blobs whose bytes failed verification elsewhere: refused puts, damage found when opening.
  void CountCorruptions(uint64_t count);

  // ---- looking ----

  enum class Purpose : uint8_t { kUse, kInspect };  // a use is counted
  // kNotFound when it is not committed or has expired.
  Result<StoredBlobPtr> Find(const UnitKey& key, Purpose purpose);
  std::vector<bool> Contains(std::span<const UnitKey> keys) const;
  BlobPage List(const BlobPageRequest& request) const;
  // All blobs, those that have expired too.
  std::vector<StoredBlobPtr> Stored() const;
  uint64_t references() const;
  // Without what only the medium knows.
  StoreStats stats() const;

  // ---- changes ----

  Status RecordImports(std::span<const UnitImport> imports);
  // Runs `look` while nothing changes.
  Status WhileUnchanged(const std::function<Status()>& look);
  // The same, and then drops as damaged what it names.
  using Look = std::function<Result<std::vector<UnitKey>>()>;
  Status DropFound(const Look& look);
  enum class DropReason : uint8_t { kRemoved, kCorrupt };
  // OK when the key is absent, or `only` is given and is not what the key has now.
  Status Drop(const UnitKey& key, DropReason reason, const StoredBlob* only = nullptr);
  Result<RemovalReceipt> RemoveReferences(const BlobSelector& selector);
  Result<PinReceipt> SetPins(const BlobSelector& selector, PinChange change);
  // Without orphans, which only the medium knows.
  Result<GarbageReport> CollectGarbage();
  // Saves uses that were not urgent.
  Status SaveUses();

 private:
  struct Counters {
    uint64_t puts = 0;
    std::atomic<uint64_t> gets = 0;
    std::atomic<uint64_t> hits = 0;
    uint64_t corruptions = 0;
    uint64_t evictions = 0;
    uint64_t expirations = 0;
    uint64_t payload_bytes = 0;
  };

  // REQUIRES: mutex_ is held.
  std::vector<StoredBlobPtr> BlobsOf(std::span<const UnitKey> keys) const;
  uint64_t BytesOf(std::span<const UnitKey> keys) const;
  std::vector<KeyedUse> UsesOf(std::span<const UnitKey> keys) const;
  std::vector<UnitKey> KeysMatching(const BlobSelector& selector) const;
  void Forget(const UnitKey& key);

  // REQUIRES: neither mutex is held.
  using Record = Durability (Catalog::*)(const UnitKey&, const Import&, uint64_t);
  Status RecordEach(std::span<const UnitImport> imports, Record record);

  // REQUIRES: change_mutex_ is held, mutex_ is not. Durably, then from the table.
  Status DropExpired(const UnitKey& key, uint64_t now_ms);
  Status DropNow(std::span<const UnitKey> keys);
  Status SaveNow(std::span<const UnitKey> keys);

  const Clock& clock_;
  BlobKeeper& keeper_;

  std::mutex change_mutex_;

  mutable CountedSharedMutex mutex_;
  // Guarded by mutex_, but for what counts looks.
  Catalog catalog_;
  std::map<UnitKey, StoredBlobPtr> blobs_;
  std::unordered_set<UnitKey> unsaved_;  // uses
  Counters counters_;
};

}  // namespace promptcache
