#include "coordinator/session/unit_drops.h"

namespace promptcache {

void UnitDrops::Start(const RequestId& id, Asked asked) { asked_[id] = std::move(asked); }

void UnitDrops::AnswerReceived(const RequestId& id, PeerId worker, const std::string& name,
                               const UnitsDropped& answer) {
  const auto found = asked_.find(id);
  if (found == asked_.end() || answer.workers.size() != 1) return;
  if (found->second.waits_for.erase(worker) == 0) return;
  found->second.report.workers.push_back(answer.workers.front());
  found->second.report.workers.back().worker = name;
}

void UnitDrops::WorkerGone(PeerId worker) {
  for (auto& [id, asked] : asked_) asked.waits_for.erase(worker);
}

void UnitDrops::ClientGone(PeerId client) {
  std::erase_if(asked_, [&](const auto& entry) { return entry.second.client == client; });
}

std::vector<UnitDrops::Asked> UnitDrops::TakeComplete() {
  std::vector<Asked> complete;
  for (auto it = asked_.begin(); it != asked_.end();) {
    if (!it->second.waits_for.empty()) {
      ++it;
      continue;
    }
    complete.push_back(std::move(it->second));
    it = asked_.erase(it);
  }
  return complete;
}

}  // namespace promptcache
