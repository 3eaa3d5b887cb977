// What a cache of units has to know of each.
#pragma once

#include <cstdint>
#include <memory>

#include "common/types.h"

namespace promptcache {

struct KeptUnit {
  UnitKey key;
  RecipeDigest digest;
  uint64_t bytes = 0;
};
using KeptUnitPtr = std::shared_ptr<const KeptUnit>;

}  // namespace promptcache
