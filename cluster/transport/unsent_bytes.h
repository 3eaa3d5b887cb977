// What was sent to the peers of a listener and has not left yet. Internal to cluster/transport.
#pragma once

#include <cstdint>

#include "cluster/transport/transport.h"
#include "common/fair_budget.h"
#include "common/status.h"

namespace promptcache {

// A FairBudget of the peers, so that many that do not read never have all. Messages below 4 KiB do
// not count: their number is limited (ListenOptions). Belongs to the reactor thread; the frames may
// go on any.
class UnsentBytes {
 public:
  // UINT64_MAX: nothing is counted.
  explicit UnsentBytes(uint64_t limit) : is_limited_(limit != UINT64_MAX), bytes_(limit) {}

  // kBusy when the peer has something and could not have this much more.
  Status CheckRoom(PeerId peer, uint64_t bytes) const;
  // The frame, counted until the last copy of it goes. kBusy when the peer would have too much.
  Result<Frame> Count(PeerId peer, Frame frame);

 private:
  const bool is_limited_;
  FairBudget<PeerId> bytes_;
};

}  // namespace promptcache
