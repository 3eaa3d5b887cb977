// Clients that ask one thing after another, each on a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster/client/client.h"
#include "tools/chaos/checker.h"
#include "tools/chaos/history.h"
#include "tools/chaos/topology.h"

namespace promptcache::chaos {

// Connects with the options that all clients here have. `endpoints` must be able to work.
Result<std::unique_ptr<Client>> ConnectAs(const std::string& name,
                                          const std::vector<std::string>& endpoints,
                                          LinkStyle style);

class Load {
 public:
  Load(const Topology& topology, std::vector<Submit> questions, History& history)
      : topology_(topology), questions_(std::move(questions)), history_(history) {}

  // kUnavailable when a client reaches no coordinator.
  Status Connect();
  // Asks every question once, the clients side by side, with time enough. Gives the answers; the
  // first failure otherwise.
  Result<Expected> AskAll();

  // Each client asks whatever comes to its mind, and sometimes loses interest, until Finish.
  void Begin(uint64_t seed);
  // Returns when what was asked has ended, or should have.
  void Finish();

 private:
  struct Asked {
    size_t question = 0;
    milliseconds deadline{0};
    size_t parts_until_cancel = 0;  // 0: it is not cancelled
  };

  void Ask(size_t client, const Asked& asked);
  size_t Submit(size_t client, const Asked& asked);
  void RunClient(size_t client, uint64_t seed, const std::stop_token& stop);

  const Topology& topology_;
  const std::vector<promptcache::Submit> questions_;
  History& history_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace promptcache::chaos
