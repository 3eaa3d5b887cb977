// Looking at a cluster until somebody stops it.
#pragma once

#include <functional>

#include "common/status.h"
#include "tools/cli/cluster/top_frame.h"

namespace promptcache {

struct ClusterWatcher {
  std::function<Result<ClusterSample>()> look;
  std::function<void()> wait;                      // until the next look
  std::function<bool(const ClusterFrame&)> show;   // false: that was enough
  std::function<void(const Status&)> unreachable;  // said once, until a look succeeds again
};

// Shows the difference of every two looks. When no coordinator can be reached it goes on looking,
// but for the first look, and for the second when only one frame is `wanted`: kUnavailable then.
enum class Frames : uint8_t { kOne, kAll };
Status Watch(const ClusterWatcher& watcher, Frames wanted);

}  // namespace promptcache
