#include "tools/cli/store/worker_erasure.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace promptcache {
namespace {

Result<UnitsDropped> Ask(const CommandContext& context, const std::vector<UnitKey>& keys) {
  PC_ASSIGN_OR_RETURN(const auto client, ConnectClient(context));
  return client->DropUnits(keys);
}

}  // namespace

WorkerErasure EraseInWorkers(const CommandContext& context, const StoreTarget& target,
                             const std::vector<UnitKey>& keys) {
  if (!target.directory.empty()) return {.disk_only = "the directory was opened by itself"};
  const auto answer = Ask(context, keys);
  if (!answer.ok()) return {.disk_only = answer.status().message()};
  return {.workers = answer->workers};
}

bool IsHeld(const WorkerErasure& erasure) {
  return std::any_of(erasure.workers.begin(), erasure.workers.end(),
                     [](const DroppedUnits& worker) { return !worker.held.empty(); });
}

nlohmann::json ErasureToJson(const WorkerErasure& erasure) {
  nlohmann::json workers = nlohmann::json::array();
  for (const DroppedUnits& worker : erasure.workers) {
    nlohmann::json held = nlohmann::json::array();
    for (const UnitKey& key : worker.held) held.push_back(key.ToHex());
    workers.push_back(
        {{"name", worker.worker}, {"dropped", worker.dropped}, {"held", std::move(held)}});
  }
  return {{"scope", erasure.disk_only.empty() ? "disk and workers" : "disk only"},
          {"why_disk_only", erasure.disk_only},
          {"workers", std::move(workers)}};
}

std::string RenderErasure(const WorkerErasure& erasure) {
  if (!erasure.disk_only.empty()) {
    return fmt::format("disk only: no worker was asked: {}\n", erasure.disk_only);
  }
  if (erasure.workers.empty()) return "workers: none is there\n";
  std::string out;
  for (const DroppedUnits& worker : erasure.workers) {
    out += fmt::format("{}: {} units dropped from memory\n", worker.worker, worker.dropped);
    for (const UnitKey& key : worker.held) {
      out += fmt::format("{}: a running request still holds {}\n", worker.worker, key.ToHex());
    }
  }
  return out;
}

}  // namespace promptcache
