// Which repair a request gets.
#pragma once

#include <optional>

#include "common/config.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

struct RepairChoice {
  Repair repair = Repair::kNone;
  uint32_t linked_tokens = 0;  // k of Repair::kLinked
};

// Of requests that do not say. kInvalidArgument naming the setting.
Result<RepairChoice> DefaultRepair(const CoordinatorSettings& settings);

// What the request wants, the rest from `fallback`; no `linked_tokens`: 0. kInvalidArgument for a
// repair that does not exist, and for a k that is out of 1..kMaxLinkedTokens or without `linked`.
Result<RepairChoice> ChooseRepair(std::optional<Repair> wanted, uint32_t linked_tokens,
                                  const RepairChoice& fallback);

}  // namespace promptcache
