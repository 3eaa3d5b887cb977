#include "cluster/transport/unsent_bytes.h"

#include <memory>
#include <string>
#include <utility>

namespace promptcache {
namespace {

constexpr uint64_t kSmall = 4 << 10;

struct Counted {
  Frame frame;
  Budget::Part part;
};

Status TooMuch(uint64_t unsent) {
  return Busy(std::to_string(unsent) +
              " bytes that were sent to this peer have not left yet; read them and try again");
}

}  // namespace

Status UnsentBytes::CheckRoom(PeerId peer, uint64_t bytes) const {
  const uint64_t unsent = bytes_.used(peer);
  return unsent == 0 || bytes_.Fits(peer, bytes) ? Status() : TooMuch(unsent);
}

Result<Frame> UnsentBytes::Count(PeerId peer, Frame frame) {
  if (!is_limited_ || frame.size() < kSmall) return frame;
  Budget::Part part = bytes_.Take(peer, frame.size());
  if (part == nullptr) return TooMuch(bytes_.used(peer));
  const auto bytes = frame.bytes();
  auto counted = std::make_shared<const Counted>(Counted{std::move(frame), std::move(part)});
  return Frame::Share(std::move(counted), bytes);
}

}  // namespace promptcache
