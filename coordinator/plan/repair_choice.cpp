#include "coordinator/plan/repair_choice.h"

namespace promptcache {

Result<RepairChoice> DefaultRepair(const CoordinatorSettings& settings) {
  const auto repair = FindRepair(settings.repair);
  if (!repair || *repair == Repair::kBlended) {
    return InvalidArgument("coordinator.repair: '" + settings.repair +
                           "' is not none, linked or full");
  }
  return RepairChoice{*repair, static_cast<uint32_t>(settings.linked_tokens)};
}

Result<RepairChoice> ChooseRepair(std::optional<Repair> wanted, uint32_t linked_tokens,
                                  const RepairChoice& fallback) {
  if (wanted == Repair::kBlended) {
    return InvalidArgument("repair blended is not supported; none, linked and full are");
  }
  if (linked_tokens > 0 && wanted != Repair::kLinked) {
    return InvalidArgument("linked_tokens is for requests that name repair linked");
  }
  if (linked_tokens > kMaxLinkedTokens) {
    return InvalidArgument("linked_tokens is " + std::to_string(linked_tokens) + ", limit " +
                           std::to_string(kMaxLinkedTokens));
  }
  const Repair repair = wanted.value_or(fallback.repair);
  if (repair != Repair::kLinked) return RepairChoice{repair};
  return RepairChoice{repair, linked_tokens > 0 ? linked_tokens : fallback.linked_tokens};
}

}  // namespace promptcache
