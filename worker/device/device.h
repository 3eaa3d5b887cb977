// Names of compute devices.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "common/status.h"

namespace promptcache {

// "cpu", "cuda" or "cuda:N". kInvalidArgument for other names; kFailedPrecondition when this build
// has no CUDA kernels or the machine has no such GPU, saying which.
Result<c10::Device> ParseDevice(const std::string& name);

}  // namespace promptcache
