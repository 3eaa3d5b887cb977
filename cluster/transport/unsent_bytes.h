// What was sent to the peers of a listener and has not left yet. Internal to cluster/transport.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "cluster/transport/transport.h"
#include "common/budget.h"
#include "common/status.h"

namespace promptcache {

// Of a limit for all peers together each may have as much as it leaves to the others: one alone
// half of it, and many that do not read never all. Messages below 4 KiB do not count: their number
// is limited (ListenOptions). Belongs to the reactor thread; the frames may go on any.
class UnsentBytes {
 public:
  // UINT64_MAX: nothing is counted.
  explicit UnsentBytes(uint64_t limit) : limit_(limit) {}

  // kBusy when the peer has something and could not have this much more.
  Status CheckRoom(PeerId peer, uint64_t bytes) const;
  // The frame, counted until the last copy of it goes. kBusy when the peer would have too much.
  Result<Frame> Count(PeerId peer, Frame frame);
  // Forgets the peers that have nothing. To be called now and then.
  void Tidy();

 private:
  uint64_t Of(PeerId peer) const;
  // Whether who has that much may have more.
  bool Fits(uint64_t unsent, uint64_t more) const {
    return unsent + 2 * more <= limit_ - all_->used();
  }

  const uint64_t limit_;
  const std::shared_ptr<Budget> all_ = std::make_shared<Budget>(limit_);
  // A peer that was dropped and greets again still has what it had.
  std::map<PeerId, std::shared_ptr<Budget>> by_peer_;
};

}  // namespace promptcache
