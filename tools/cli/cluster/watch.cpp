#include "tools/cli/cluster/watch.h"

#include <optional>
#include <utility>

namespace promptcache {

Status Watch(const ClusterWatcher& watcher, Frames wanted) {
  PC_ASSIGN_OR_RETURN(ClusterSample first, watcher.look());
  std::optional<ClusterSample> before = std::move(first);
  for (bool is_away = false;;) {
    watcher.wait();
    Result<ClusterSample> now = watcher.look();
    if (!now.ok()) {
      if (now.status().code() != Code::kUnavailable || wanted == Frames::kOne) return now.status();
      if (!std::exchange(is_away, true)) watcher.unreachable(now.status());
      before.reset();  // rates over the gap would be those of no time
      continue;
    }
    is_away = false;
    const bool goes_on = !before || watcher.show(MakeClusterFrame(*before, *now));
    if (!goes_on || (before && wanted == Frames::kOne)) return {};
    before = *std::move(now);
  }
}

}  // namespace promptcache
