// What worker.dtype may be.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/status.h"

namespace promptcache {

enum class ComputeDtype : uint8_t { kAuto, kFp32, kBf16 };
// "auto", "fp32", "bf16"; else kInvalidArgument.
Result<ComputeDtype> ParseComputeDtype(std::string_view name);

}  // namespace promptcache
