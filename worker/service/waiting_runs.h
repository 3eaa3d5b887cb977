// Runs whose recipes are being asked for. Internal to worker/service.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "worker/engine/known_recipe.h"
#include "worker/requests/request_log.h"

namespace promptcache {

struct WaitingRun {
  RequestRun run;
  RequestOwner sender;  // has its recipes
  Run order;
  SteadyTime received;
  SteadyTime deadline;
  // Of each unit of the plan; null while it has not come. They are kept here, for those that are
  // still to come may take their places in the cache.
  std::vector<KnownRecipePtr> recipes;

  // Others are ignored.
  void AddRecipes(const std::vector<KnownRecipePtr>& came) {
    std::map<RecipeDigest, KnownRecipePtr> by_digest;
    for (const KnownRecipePtr& known : came) by_digest.emplace(known->digest, known);
    for (size_t i = 0; i < recipes.size(); ++i) {
      const auto found = by_digest.find(order.plan.units[i].digest);
      if (!recipes[i] && found != by_digest.end()) recipes[i] = found->second;
    }
  }
};

// At most `limit` of them. Not thread safe.
class WaitingRuns {
 public:
  explicit WaitingRuns(size_t limit) : limit_(limit) {}

  bool full() const { return runs_.size() >= limit_; }
  // REQUIRES: !full(), and none of the request waits.
  void Add(WaitingRun run) {
    const RequestId id = run.run.id;
    runs_.emplace(id, std::move(run));
  }
  // nullopt when it does not wait.
  std::optional<WaitingRun> Take(const RequestId& id) {
    auto entry = runs_.extract(id);
    if (entry.empty()) return std::nullopt;
    return std::move(entry.mapped());
  }
  // nullopt unless it waits for this coordinator's recipes.
  std::optional<WaitingRun> TakeFrom(uint32_t coordinator, const RequestId& id) {
    const auto found = runs_.find(id);
    const bool waits = found != runs_.end() && found->second.sender.coordinator == coordinator;
    return waits ? Take(id) : std::nullopt;
  }
  // Those for which `wanted` holds.
  template <typename Predicate>
  std::vector<WaitingRun> TakeIf(Predicate wanted) {
    std::vector<WaitingRun> taken;
    for (auto it = runs_.begin(); it != runs_.end();) {
      if (!wanted(it->second)) {
        ++it;
        continue;
      }
      taken.push_back(std::move(it->second));
      it = runs_.erase(it);
    }
    return taken;
  }

 private:
  const size_t limit_;
  std::map<RequestId, WaitingRun> runs_;
};

}  // namespace promptcache
