// What is known of one worker: its rates, the work before it, the units it holds, the requests it
// has. Pure state: time comes from the caller.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/types.h"
#include "coordinator/routing/backlog.h"
#include "coordinator/routing/route_request.h"

namespace promptcache {

// How long a unit takes from a tier: fixed_s + bytes / bytes_per_s.
struct TierRate {
  double fixed_s = 0;
  double bytes_per_s = 0;  // 0: nothing can be loaded from it
};
// Seconds of two things that go on beside each other: loading units, the copy to the device
// included, and what the device computes: units that are encoded, new tokens.
struct RequestWork {
  double load_s = 0;
  double compute_s = 0;
  double total_s() const { return load_s + compute_s; }
};

// As measured by the worker.
struct WorkerRates {
  double prefill_tokens_per_s = 0;  // 0: not measured yet
  TierRate host;
  TierRate disk;
  TierRate remote;

  double TokenSeconds() const;
  // Infinite where nothing can be loaded from. REQUIRES: not kEncoded.
  double LoadSeconds(Source tier, double bytes) const;
  // To get a unit that is in `tier` to the device, encoding it if that is faster. What comes to
  // host memory is copied on from there. REQUIRES: not kDevice.
  RequestWork UnitWork(Source tier, double bytes, double encode_s) const;
  // Where units of the store count as coming from: a worker measures its store as one of the two.
  Source StoreTier() const { return remote.bytes_per_s > 0 ? Source::kRemote : Source::kDisk; }
  // From the nearest tier below the device. Infinite when there is none.
  double ReloadSeconds(double bytes) const;
};

struct WorkerProfile {
  std::string name;
  IdentityDigest identity;
  uint32_t slots = 0;  // requests that it takes at once, waiting ones included
  uint64_t kv_bytes_per_token = 0;
  WorkerRates rates;
};

struct WorkerReport {
  double backlog_s = 0;
  uint32_t requests = 0;   // that it has, of all coordinators
  double device_fill = 0;  // of the memory for units, 0 to 1
  double kv_use = 0;       // of the memory for running requests, 0 to 1
  WorkerRates rates;
};

// Not thread safe.
class FleetWorker {
 public:
  FleetWorker(WorkerProfile profile, uint32_t identity_index, SteadyTime joined);

  // As measured at `measured`.
  void Report(const WorkerReport& report, SteadyTime measured);
  void Drain() { draining_ = true; }
  void Resume() { draining_ = false; }
  // The fastest of its tiers that holds the unit; kEncoded: none any more. At most `limit` units
  // are noted.
  void SetTier(const UnitKey& unit, Source tier, size_t limit);
  // Before a snapshot. Units of requests under way stay.
  void ForgetUnits();

  // Will work on the request for so long. False: it has this request already.
  bool Assign(const RouteRequest& request, const RequestWork& work, SteadyTime now);
  // Its first token came: its units are on the device, as far as `limit` allows to note them.
  // REQUIRES: assigned.
  void Started(const RequestId& request, SteadyTime at, size_t limit);
  // How long loading, encoding and computing took, without waiting. REQUIRES: assigned.
  void Measured(const RequestId& request, double work_s);
  // Last word, or cancelled. REQUIRES: assigned.
  void Ended(const RequestId& request, SteadyTime now);
  // Whether it has work now goes into its busy share, with this weight.
  void Observe(SteadyTime now, double weight);
  std::vector<RequestId> Requests() const;   // ascending
  std::vector<RequestId> Unstarted() const;  // of these, without a first token

  const WorkerProfile& profile() const { return profile_; }
  const WorkerReport& report() const { return report_; }
  const std::vector<UnitKey>& KeysOf(const RouteRequest& request) const {
    return request.keys[identity_index_];
  }
  // Its identity was known when the request was made.
  bool Fits(const RouteRequest& request) const {
    return identity_index_ < request.keys.size() && request.slots <= profile_.slots;
  }
  bool draining() const { return draining_; }
  SteadyTime joined() const { return joined_; }
  uint64_t name_hash() const { return name_hash_; }
  uint32_t assigned() const { return assigned_; }  // slots of requests that have not ended
  // Whether so many more can be assigned beside what it has of other coordinators, as it said last,
  // a slot for each request. These leave a quarter to this one, and one request of any size: who
  // was there first does not keep the worker.
  bool HasSlots(uint32_t wanted) const;
  uint32_t requests() const { return static_cast<uint32_t>(requests_.size()); }
  // Of these, those for which units had to be brought to the device.
  uint32_t cold() const { return cold_; }
  // By what factor its work takes longer than its rates say, averaged; 0.25 to 4.
  double calibration() const { return calibration_; }
  double busy_share() const { return busy_share_; }
  // Of recent requests, as predicted, load_s of those that load; 0: none.
  const RequestWork& mean_work() const { return mean_work_; }
  // Of its device, and loads for other coordinators.
  double BacklogSeconds(SteadyTime now) const { return backlog_.At(now); }
  // Of loads for requests from here.
  double LoadBacklogSeconds(SteadyTime now) const;
  // Where the unit is, seen from here: kDevice also while a request that needs it is under way.
  // kEncoded: nowhere.
  Source TierOf(const UnitKey& unit) const;

 private:
  struct Held {
    Source tier = Source::kEncoded;
    uint32_t pending = 0;  // requests under way that bring it to the device
  };
  struct Assigned {
    std::vector<UnitKey> units;
    uint32_t slots = 0;
    double load_s = 0;
    double predicted_s = 0;  // without calibration
    bool started = false;
    bool cold = false;
  };

  void NoLongerUnstarted(const Assigned& assigned);

  const WorkerProfile profile_;
  const uint32_t identity_index_;
  const uint64_t name_hash_;
  const SteadyTime joined_;
  WorkerReport report_;
  Backlog backlog_;
  SteadyTime loads_end_ = SteadyTime::min();  // as predicted
  double unstarted_load_s_ = 0;               // of requests without a first token: no more is left
  std::unordered_map<UnitKey, Held> units_;
  std::map<RequestId, Assigned> requests_;
  uint32_t assigned_ = 0;
  uint32_t others_ = 0;  // requests that it had of other coordinators when it reported
  uint32_t unstarted_ = 0;
  uint32_t cold_ = 0;
  uint32_t reports_ = 0;
  double calibration_ = 1;
  double busy_share_ = 0;
  RequestWork mean_work_;
  bool draining_ = false;
};

}  // namespace promptcache
