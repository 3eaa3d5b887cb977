// Clients that want units dropped from every worker's memory, and the workers that have not
// answered yet. Pure state.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// Not thread safe.
class UnitDrops {
 public:
  struct Asked {
    PeerId client = 0;
    RequestId request;           // the client's
    std::set<PeerId> waits_for;  // workers
    UnitsDropped report;
  };

  // `id` is the one that the workers answer with.
  void Start(const RequestId& id, Asked asked);
  // What comes from a worker that was not asked, or twice, or is not one report is ignored.
  void AnswerReceived(const RequestId& id, PeerId worker, const std::string& name,
                      const UnitsDropped& answer);
  // Its memory went with it.
  void WorkerGone(PeerId worker);
  void ClientGone(PeerId client);
  // Those that wait for nobody any more.
  std::vector<Asked> TakeComplete();
  size_t size() const { return asked_.size(); }

 private:
  std::map<RequestId, Asked> asked_;
};

}  // namespace promptcache
