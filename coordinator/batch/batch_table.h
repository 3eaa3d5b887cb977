// The batches that a coordinator runs: a pure state machine. Events go in, actions come out; no
// sockets, clocks or threads.
//
// An item waits, runs, waits for another try, or is being kept, and is gone when its result is in
// the store. A batch that is not written for any more is forgotten as a whole; whoever owns it next
// goes on with the items that have no result.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "coordinator/batch/batch_records.h"
#include "coordinator/counts_by_code.h"

namespace promptcache {

// A batch under one ownership: what comes late for an earlier one is ignored.
struct BatchRef {
  RequestId id;        // within its tenant
  uint64_t fence = 0;  // revision of the owner's record
  auto operator<=>(const BatchRef&) const = default;
};

struct OwnedBatch {
  BatchRef ref;
  BatchInfo info;
  std::vector<bool> ended;  // by item
  uint64_t head = 0;        // revision of the head: tells it from others that had its id
  bool had_owner = false;   // before this one: workers may have items of it
};

// Do this request for the batch, and bring its Partials and its Final to Received.
struct SubmitItem {
  std::string tenant;
  Envelope envelope;
};
struct CancelItem {
  std::string tenant;
  RequestId request;
};
// Call ItemsLoaded with items that begin at `first`, or behind it where records are lost.
struct LoadItems {
  BatchRef batch;
  uint32_t first = 0;
};
// Write it, then call Kept.
struct KeepResult {
  BatchRef batch;
  BatchResult result;
};
// Every item has a result that is kept: forget the batch once that is written down.
struct EndBatch {
  BatchRef batch;
};
using BatchAction = std::variant<SubmitItem, CancelItem, LoadItems, KeepResult, EndBatch>;
// To be done in this order.
using BatchActions = std::vector<BatchAction>;

struct BatchTableLimits {
  uint32_t max_running = 16;  // items, of all batches
  // Of an item that ends with kBusy or kUnavailable: then that is its result.
  uint32_t max_tries = 64;
  std::chrono::milliseconds first_pause{1'000};  // before it is tried again; twice that each time
  std::chrono::milliseconds longest_pause{300'000};
  uint64_t max_result_bytes = uint64_t{16} << 20;
  // Of items that are in memory, of all batches and of one tenant's: the rest waits in the store.
  // Loads that are under way then may pass it, max_running of them.
  uint64_t max_held_bytes = uint64_t{512} << 20;
  uint64_t max_tenant_held_bytes = uint64_t{128} << 20;
};

// What is here, and what has been here since the start.
struct BatchCounts {
  uint64_t batches = 0;
  uint64_t waiting = 0;  // items of these without a result, but for those that run
  uint64_t running = 0;
  CountsByCode ended{};  // items, since the start: results that are kept
};

// The same for whoever runs the item, so that workers know it, for as many owners as attempts can
// tell apart; never that of an item of another batch, whatever the id of that was.
RequestId BatchItemRequest(const OwnedBatch& batch, uint32_t item);

// Not thread safe.
class BatchTable {
 public:
  explicit BatchTable(const BatchTableLimits& limits) : limits_(limits) {}

  // REQUIRES: the batch is not here.
  BatchActions Take(OwnedBatch batch, SteadyTime now);
  // Items that were lost get a result that says so.
  BatchActions ItemsLoaded(const BatchRef& ref, BatchItems loaded, SteadyTime now);
  BatchActions Received(const Envelope& envelope, SteadyTime now);
  BatchActions Kept(const BatchRef& ref, uint32_t item, SteadyTime now);
  // What runs is cancelled.
  BatchActions Forget(const RequestId& batch, SteadyTime now);
  BatchActions Tick(SteadyTime now);

  // nullptr: not here.
  const BatchInfo* Find(const RequestId& batch) const;
  bool Owns(const BatchRef& ref) const;
  std::vector<BatchRef> refs() const;
  std::vector<BatchInfo> infos() const;
  BatchCounts counts() const;

 private:
  enum class Stage : uint8_t { kRunning, kPausing, kKeeping };
  struct Place {
    int32_t behind = 0;  // ascends as priorities fall
    uint32_t number = 0;

    auto operator<=>(const Place&) const = default;
  };
  struct Item {
    BatchItem item;
    Stage stage = Stage::kRunning;
    uint32_t tries = 0;
    SteadyTime next_try;
    std::vector<BatchSample> samples;
    Code code = Code::kOk;  // of the result
  };
  struct Batch {
    uint64_t number = 0;  // ascends in the order of arrival
    OwnedBatch owned;
    uint32_t next = 0;  // the first item that is not loaded
    bool loading = false;
    std::map<Place, std::optional<BatchItem>> waiting;  // none: it was lost
    std::map<uint32_t, Item> open;
    uint32_t running = 0;
    uint64_t held_bytes = 0;  // waiting and open

    auto Order() const { return std::pair(running, number); }
  };
  using Batches = std::map<RequestId, Batch>;

  Batch* Owned(const BatchRef& ref);
  void Run(SteadyTime now, BatchActions& actions);
  // What would start first if it were in memory; nullptr: nothing can start.
  void LoadBefore(const Batch* next, BatchActions& actions);
  bool CanLoad(Batch& batch) const;
  bool CanStart(const Batch& batch, SteadyTime now) const;
  bool HasRoom(const Batch& batch) const;
  static uint64_t HeldBytes(const BatchItem& item);
  void Wait(Batch& batch, uint32_t number, std::optional<BatchItem> item);
  void Release(Batch& batch, uint64_t bytes);
  void StartOne(Batch& batch, SteadyTime now, BatchActions& actions);
  void Start(Batch& batch, uint32_t number, Item& item, BatchActions& actions);
  void Ended(Batch& batch, uint32_t number, Final final, SteadyTime now, BatchActions& actions);
  void Keep(Batch& batch, uint32_t number, Final final, BatchActions& actions) const;

  const BatchTableLimits limits_;
  Batches batches_;
  std::unordered_map<RequestId, std::pair<RequestId, uint32_t>> requests_;  // that run
  uint32_t running_ = 0;
  uint32_t loading_ = 0;                        // batches
  std::map<std::string, uint64_t> held_bytes_;  // by tenant
  uint64_t all_held_bytes_ = 0;
  uint64_t last_number_ = 0;
  CountsByCode ended_{};
};

}  // namespace promptcache
