// How many things ended how. Internal to coordinator/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/status.h"

namespace promptcache {

using CountsByCode = std::array<uint64_t, 1 + static_cast<size_t>(Code::kInternal)>;

inline void CountEnd(Code code, CountsByCode& counts) { ++counts.at(static_cast<size_t>(code)); }

}  // namespace promptcache
