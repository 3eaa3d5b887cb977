// What all simulated workers are.
#pragma once

#include "common/types.h"

namespace promptcache::chaos {

inline constexpr uint32_t kSlots = 4;

inline const Identity& SimIdentity() {
  static const Identity identity{.weights = "w"};
  return identity;
}

}  // namespace promptcache::chaos
