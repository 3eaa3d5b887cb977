// Requests that no worker has room for yet. Pure state: time comes from the caller.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/status.h"

namespace promptcache {

struct WaitingRequest {
  RequestId id;
  std::string tenant;
  uint16_t priority = 0;  // 0: in the background; among others, higher ones of a tenant go first
  SteadyTime deadline;
  double work_s = 0;  // on the worker that would do it fastest
};

// Two classes: what is in the background goes when nothing else can. Within a class, tenants share
// by seconds of work: next is the one that was given least, as if they took turns of infinitely
// short work. A tenant that comes back after it had nothing to ask for gets no more for that, and
// is not forgiven what it was given ahead. A tenant's requests go by priority, which is the
// tenant's own to give and passes none of others, then by deadline, equal ones as they came, past
// those that cannot go. Not thread safe.
class WaitingQueue {
 public:
  explicit WaitingQueue(size_t max_requests) : max_requests_(max_requests) {}

  // kBusy when it is full; kAlreadyExists for an id that waits.
  Status Add(WaitingRequest request);
  // The next that `can_go`, which is asked about at most 48 of a tenant and 8 tenants of a class.
  // nullopt: none of these.
  using CanGo = std::function<bool(const WaitingRequest&)>;
  std::optional<WaitingRequest> Take(const CanGo& can_go);
  // Cancelled, say. nullopt: does not wait.
  std::optional<WaitingRequest> Remove(const RequestId& id);
  // Those whose deadline has passed, removed.
  std::vector<WaitingRequest> TakeExpired(SteadyTime now);

  size_t size() const { return places_.size(); }
  // Seconds of work that go before a request which would be added now: all that its tenant has
  // waiting in its class, and of others what fair turns let them have until then.
  double AheadOf(const std::string& tenant, uint16_t priority) const;

 private:
  struct Place {
    bool in_background = false;
    int32_t behind = 0;  // ascends as priorities fall
    SteadyTime deadline;
    uint64_t arrival = 0;

    auto operator<=>(const Place&) const = default;
  };
  struct Tenant {
    std::map<Place, WaitingRequest> requests;
    double work_s = 0;  // of these
    double given_s = 0;
  };
  struct Level {
    std::map<std::string, Tenant> tenants;  // idle ones too while they were given more than start_s
    double start_s = 0;                     // what the last one served had been given before
    size_t waiting = 0;
    double work_s = 0;  // of these
  };
  using Levels = std::map<bool, Level>;  // by what is in the background
  struct Address {
    std::string tenant;
    Place place;
  };

  // First of those whose turn comes first that can go.
  static std::optional<RequestId> Next(const Level& level, const CanGo& can_go);
  static double AheadWithin(const Level& level, const std::string& tenant);

  const size_t max_requests_;
  Levels levels_;
  std::map<RequestId, Address> places_;
  uint64_t arrivals_ = 0;
};

}  // namespace promptcache
