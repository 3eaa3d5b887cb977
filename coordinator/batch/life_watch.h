// Which coordinators live, as far as their records show. Pure state.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"

namespace promptcache {

// A life ends when its record has not changed for the lease, as seen here: no clock but the own one
// is looked at. Not thread safe.
class LifeWatch {
 public:
  explicit LifeWatch(std::chrono::milliseconds lease) : lease_(lease) {}

  // `lives`: all records there are. Gives those that have ended.
  std::vector<MetaRecord> Look(const std::vector<MetaRecord>& lives, SteadyTime now) {
    std::vector<MetaRecord> ended;
    std::map<std::string, Seen> seen;
    for (const MetaRecord& life : lives) {
      const auto before = seen_.find(life.key);
      const bool is_same = before != seen_.end() && before->second.revision == life.revision;
      const SteadyTime since = is_same ? before->second.since : now;
      seen[life.key] = {life.revision, since};
      if (now - since >= lease_) ended.push_back(life);
    }
    seen_ = std::move(seen);
    return ended;
  }
  // Nothing could be seen for a while: nobody can have renewed anything.
  void StartAgain() { seen_.clear(); }

 private:
  struct Seen {
    uint64_t revision = 0;
    SteadyTime since;
  };

  const std::chrono::milliseconds lease_;
  std::map<std::string, Seen> seen_;
};

}  // namespace promptcache
