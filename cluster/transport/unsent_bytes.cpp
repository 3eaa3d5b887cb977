#include "cluster/transport/unsent_bytes.h"

#include <string>
#include <utility>

namespace promptcache {
namespace {

constexpr uint64_t kSmall = 4 << 10;

struct Counted {
  Frame frame;
  Budget::Part of_peer;
  Budget::Part of_all;
};

Status TooMuch(uint64_t unsent) {
  return Busy(std::to_string(unsent) +
              " bytes that were sent to this peer have not left yet; read them and try again");
}

}  // namespace

uint64_t UnsentBytes::Of(PeerId peer) const {
  const auto found = by_peer_.find(peer);
  return found == by_peer_.end() ? 0 : found->second->used();
}

Status UnsentBytes::CheckRoom(PeerId peer, uint64_t bytes) const {
  const uint64_t unsent = Of(peer);
  return unsent == 0 || Fits(unsent, bytes) ? Status() : TooMuch(unsent);
}

Result<Frame> UnsentBytes::Count(PeerId peer, Frame frame) {
  if (limit_ == UINT64_MAX || frame.size() < kSmall) return frame;
  if (const uint64_t unsent = Of(peer); !Fits(unsent, frame.size())) return TooMuch(unsent);
  auto& of_peer = by_peer_[peer];
  if (of_peer == nullptr) of_peer = std::make_shared<Budget>(limit_);
  const auto bytes = frame.bytes();
  auto counted = std::make_shared<const Counted>(
      Counted{std::move(frame), of_peer->Take(bytes.size()), all_->Take(bytes.size())});
  return Frame::Share(std::move(counted), bytes);
}

void UnsentBytes::Tidy() {
  std::erase_if(by_peer_, [](const auto& entry) { return entry.second->used() == 0; });
}

}  // namespace promptcache
