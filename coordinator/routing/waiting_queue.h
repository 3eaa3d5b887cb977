// Requests that no worker has room for yet. Pure state: time comes from the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/status.h"

namespace promptcache {

struct WaitingRequest {
  RequestId id;
  std::string tenant;
  uint16_t priority = 0;  // higher ones go first
  SteadyTime deadline;
  double work_s = 0;  // on the worker that would do it fastest
};

// Higher priorities go first. Within one, tenants share by seconds of work: next is the one that
// was given least, as if they took turns of infinitely short work. A tenant that comes back after
// it had nothing to ask for gets no more for that, and is not forgiven what it was given ahead. A
// tenant's requests go by deadline, equal ones as they came, past those that cannot go. Not thread
// safe.
class WaitingQueue {
 public:
  explicit WaitingQueue(size_t max_requests) : max_requests_(max_requests) {}

  // kBusy when it is full; kAlreadyExists for an id that waits.
  Status Add(WaitingRequest request);
  // The next that `can_go`, which is asked about at most 48 of a tenant and 8 tenants of a
  // priority. nullopt: none of these.
  using CanGo = std::function<bool(const WaitingRequest&)>;
  std::optional<WaitingRequest> Take(const CanGo& can_go);
  // Cancelled, say. nullopt: does not wait.
  std::optional<WaitingRequest> Remove(const RequestId& id);
  // Those whose deadline has passed, removed.
  std::vector<WaitingRequest> TakeExpired(SteadyTime now);

  size_t size() const { return places_.size(); }
  double work_s() const { return work_s_; }  // of all

 private:
  using Place = std::pair<SteadyTime, uint64_t>;  // deadline, arrival
  struct Tenant {
    std::map<Place, WaitingRequest> requests;
    double given_s = 0;
  };
  struct Level {
    std::map<std::string, Tenant> tenants;  // idle ones too while they were given more than start_s
    double start_s = 0;                     // what the last one served had been given before
    size_t waiting = 0;
  };
  using Levels = std::map<uint16_t, Level, std::greater<>>;  // by priority
  struct Address {
    uint16_t priority = 0;
    std::string tenant;
    Place place;
  };

  // First of those whose turn comes first that can go.
  static std::optional<RequestId> Next(const Level& level, const CanGo& can_go);

  const size_t max_requests_;
  Levels levels_;
  std::map<RequestId, Address> places_;
  uint64_t arrivals_ = 0;
  double work_s_ = 0;
};

}  // namespace promptcache
