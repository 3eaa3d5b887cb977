// Writes to a store behind the requests: units that were encoded, and imports. Internal to engines.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cachestore/store.h"
#include "common/byte_queue.h"
#include "worker/engine/import_log.h"
#include "worker/engine/inbox.h"
#include "worker/kv/kept_unit.h"

namespace promptcache {

// Of a unit, by whoever asked for it.
struct UnitImports {
  std::vector<Import> all;
  std::vector<Import> uses;  // of these, what is not for warming
};

// Belongs to the engine thread, but for put_failures. One thread of its own calls the store.
class StoreWriter {
 public:
  // Called on that thread; says what the store said.
  using Call = std::function<Status()>;
  // The same; OK also when the unit is stored already, kBusy when another worker is storing it.
  using Put = std::function<Status(const std::vector<Import>& imports)>;

  // `store` and `inbox` outlive the writer. Without a store nothing is ever called.
  StoreWriter(BlobStore* store, uint64_t queue_bytes, Inbox& inbox);
  // Finishes what waits, unless the store is found to be gone meanwhile.
  ~StoreWriter();

  // Behind all that waits. False when there is no store or no room.
  bool Enqueue(Call call, uint64_t bytes);
  // Stores a unit, unless it is dropped before that begins. The uses of one that another worker
  // stores are told like those of a stored one.
  void Store(const KeptUnit& unit, const UnitImports& imports, Put put);
  // Forgets what is to be told of the unit. True when it was to be stored, or is being stored.
  bool Drop(const UnitKey& key);

  // The store is told of it within ImportLog::kTellEvery of TellImports being called.
  void NoteImport(const UnitKey& key, const Import& import);
  // Tells the store of imports when it is time to.
  void TellImports();
  SteadyTime imports_due() const { return imports_.due(); }

  // Units that the store refused, and units and reports of imports that there was no room for.
  // Thread safe.
  uint64_t put_failures() const { return put_failures_.load(); }

 private:
  // Set when the unit is dropped before it is stored.
  using Dropped = std::shared_ptr<std::atomic<bool>>;

  void Serve();
  void Stored(const UnitKey& key, const UnitImports& imports, const Dropped& dropped, Code code);
  void PushImports();
  // The log says when there is no room.
  bool Write(Call call, uint64_t bytes, const char* what);

  BlobStore* const store_;
  Inbox& inbox_;

  // Owned by the engine thread.
  ImportLog imports_;
  std::unordered_multimap<UnitKey, Dropped> puts_;  // queued or being written

  // Own synchronization. The thread last, so that it ends before what it uses.
  std::atomic<uint64_t> put_failures_{0};
  std::atomic<bool> closing_{false};
  ByteQueue<Call> calls_;
  std::jthread thread_;
};

}  // namespace promptcache
