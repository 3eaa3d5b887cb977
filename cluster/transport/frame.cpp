#include "cluster/transport/transport.h"

namespace promptcache {

Frame Frame::Copy(std::span<const uint8_t> bytes) {
  return Own(std::vector<uint8_t>(bytes.begin(), bytes.end()));
}

Frame Frame::Own(std::vector<uint8_t> bytes) {
  auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  const std::span<const uint8_t> span(*owner);
  return Share(std::move(owner), span);
}

Frame Frame::Share(std::shared_ptr<const void> owner, std::span<const uint8_t> bytes) {
  Frame frame;
  frame.owner_ = std::move(owner);
  frame.bytes_ = bytes;
  return frame;
}

}  // namespace promptcache
