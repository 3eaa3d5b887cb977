// Reads units from a store, several at once and a layer of each in turn, so that a request with
// many units can begin when it has the first layers of all. Internal to worker/engine.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "worker/kv/unit_io.h"

namespace promptcache {

struct LoadEnd {
  Result<UnitPtr> unit;  // whole, or the errors of UnitLoad
  double seconds = 0;    // that the load kept a thread busy
  SteadyTime at;
};

// What becomes of a load; called on a loader thread.
struct LoadEvents {
  // The header is verified: layers of the unit can be waited for. At most once, and first.
  std::function<void(UnitPtr unit)> on_start;
  // Exactly once, unless the loader goes before.
  std::function<void(const LoadEnd& end)> on_end;
};

// Thread safe.
class Loader {
 public:
  // The store outlives the loader.
  Loader(BlobStore& store, uint32_t threads);
  // Gives up the loads that are not complete, after the reads that are under way.
  ~Loader();

  void Load(UnitExpectation expected, LoadEvents events);

 private:
  struct Job {
    Job(BlobStore& store, UnitExpectation expected, LoadEvents on)
        : load(store, std::move(expected)), events(std::move(on)) {}
    UnitLoad load;
    const LoadEvents events;
    UnitPtr unit;  // from the start on
    size_t layers = 0;
    double seconds = 0;
  };
  using JobPtr = std::unique_ptr<Job>;
  enum class Progress : uint8_t { kEnded, kGoesOn };

  // Blobs open at once: what the store may have sent ahead is held for each.
  static constexpr size_t kMostOpen = 16;

  void Serve();
  // The next job to go on with: a new one while there is room, else the one that is least far.
  // Null when the loader goes.
  JobPtr Next();
  // Starts the job or reads its next layer, and says what came of it.
  static Progress Advance(Job& job);
  // True when the unit is complete.
  static Result<bool> Read(Job& job);

  BlobStore& store_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<JobPtr> new_;
  std::multimap<size_t, JobPtr> started_;  // by layers that have arrived
  size_t open_ = 0;                        // started, or being worked on
  bool closed_ = false;

  std::vector<std::jthread> threads_;
};

}  // namespace promptcache
