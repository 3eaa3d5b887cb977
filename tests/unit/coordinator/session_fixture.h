// A session table with two clients and two workers at hand, and a clock that stands still.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "coordinator/session/session.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {

inline constexpr PeerId kClient = 1;
inline constexpr PeerId kOther = 2;
inline constexpr PeerId kWorkerA = 11;
inline constexpr PeerId kWorkerB = 12;

class SessionTest : public ::testing::Test {
 protected:
  SteadyTime now() const { return clock_.Now(); }

  Actions Ready(PeerId worker, uint32_t slots = 4) {
    auto actions =
        table_.WorkerIsReady(worker, "w" + std::to_string(worker), ReadyWorker(slots), {}, now());
    Append(actions, table_.ResidencyReceived(worker, {.seq = 1, .snapshot = true}, now()));
    return actions;
  }
  // Submits and plans; what the plan led to.
  Actions Start(const RequestId& id, PeerId client = kClient, uint64_t timeout_ms = 0) {
    const auto submitted = table_.SubmitReceived({client}, SubmitOf(id, timeout_ms), now());
    return table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  }
  const FleetWorker& Routed(PeerId worker) const {
    return table_.workers().fleet().workers().at(worker);
  }
  uint32_t AssignedTo(PeerId worker) const { return Routed(worker).assigned(); }
  bool Holds(PeerId worker, const UnitKey& unit) const {
    return Routed(worker).TierOf(unit) == Source::kDevice;
  }

  FakeClock clock_;
  SessionTable table_{CostRouter(),
                      {.max_active_requests = 3,
                       .default_deadline = std::chrono::seconds(60),
                       .max_deadline = std::chrono::seconds(100),
                       .worker_wait = std::chrono::seconds(10),
                       .max_losses = 3,
                       .fleet = {.max_units_per_worker = 3},
                       .prefetch_requests = 2},
                      clock_.Now()};
};

}  // namespace promptcache::testing
