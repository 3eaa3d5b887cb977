// The workers a coordinator can give requests to, and what each is known to hold. Pure state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "coordinator/routing/routing.h"

namespace promptcache {

struct WorkerState {
  std::string name;
  WorkerReady ready;
  IdentityDigest identity;
  Heartbeat heartbeat;
  std::unordered_set<UnitKey> resident;
  uint64_t residency_seq = 0;
  bool in_sync = false;   // residency deltas apply from here on
  uint32_t assigned = 0;  // slots of the requests given to it and not finished

  WorkerStatus Status() const;
};

enum class ResidencyOutcome : uint8_t { kTaken, kAskForSnapshot, kIgnored };

// Not thread safe.
class WorkerDirectory {
 public:
  // Units remembered per worker. What a worker reports beyond is not noted: that costs routing some
  // of its knowledge, never an answer.
  explicit WorkerDirectory(size_t max_resident) : max_resident_(max_resident) {}

  void Ready(PeerId worker, const std::string& name, const WorkerReady& ready);
  // What it was, or nullopt when it was not known.
  std::optional<WorkerState> Remove(PeerId worker);
  void HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat);
  // Deltas apply in sequence after a snapshot. A gap asks for a snapshot, once.
  ResidencyOutcome ResidencyReceived(PeerId worker, const Residency& residency);

  // Where to run this, or nullopt when no worker has slots enough. Counts its slots as assigned.
  std::optional<PeerId> Assign(const RouteQuery& query);
  // The request has ended or left the worker, which may be gone.
  void Unassign(PeerId worker, uint32_t slots);
  // kResourceExhausted when there are workers but none with slots for all samples.
  Status CheckSlots(const GenerationOptions& options) const;

  bool contains(PeerId worker) const { return workers_.contains(worker); }
  const std::map<PeerId, WorkerState>& all() const { return workers_; }

 private:
  const size_t max_resident_;
  std::map<PeerId, WorkerState> workers_;
};

}  // namespace promptcache
