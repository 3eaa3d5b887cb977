// Removed units in the memory of workers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "tools/cli/store/access.h"

namespace promptcache {

struct WorkerErasure {
  std::vector<DroppedUnits> workers;
  std::string disk_only;  // why no worker was asked; empty: every live one was
};

// Asks every worker of the coordinator to drop the units, unless the store is a directory that no
// coordinator has.
WorkerErasure EraseInWorkers(const CommandContext& context, const StoreTarget& target,
                             const std::vector<UnitKey>& keys);

// Whether a running request holds one of them.
bool IsHeld(const WorkerErasure& erasure);

nlohmann::json ErasureToJson(const WorkerErasure& erasure);
std::string RenderErasure(const WorkerErasure& erasure);

}  // namespace promptcache
