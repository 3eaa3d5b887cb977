// What worker.device may be; whether there is such a device, device.h tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/status.h"

namespace promptcache {

// "cpu", "cuda" or "cuda:N", N up to 127: the GPU's number, none for the CPU. kInvalidArgument for
// other names.
Result<std::optional<int8_t>> ParseDeviceName(const std::string& name);

}  // namespace promptcache
