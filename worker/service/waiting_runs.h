// Runs whose recipes are being asked for. Internal to worker/service.
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"

namespace promptcache {

struct WaitingRun {
  Envelope envelope;  // a Run
  SteadyTime received;
  SteadyTime deadline;
};

// At most `limit` of them. Not thread safe.
class WaitingRuns {
 public:
  explicit WaitingRuns(size_t limit) : limit_(limit) {}

  bool full() const { return runs_.size() >= limit_; }
  // In the place of an earlier attempt of the same request. REQUIRES: !full().
  void Add(WaitingRun run) {
    const RequestId id = run.envelope.request_id;
    runs_.insert_or_assign(id, std::move(run));
  }
  // nullopt when it does not wait.
  std::optional<WaitingRun> Take(const RequestId& id) {
    auto entry = runs_.extract(id);
    if (entry.empty()) return std::nullopt;
    return std::move(entry.mapped());
  }
  std::vector<WaitingRun> TakeLate(SteadyTime now) {
    std::vector<WaitingRun> late;
    for (auto it = runs_.begin(); it != runs_.end();) {
      if (now < it->second.deadline) {
        ++it;
        continue;
      }
      late.push_back(std::move(it->second));
      it = runs_.erase(it);
    }
    return late;
  }
  void Clear() { runs_.clear(); }

 private:
  const size_t limit_;
  std::unordered_map<RequestId, WaitingRun> runs_;
};

}  // namespace promptcache
