// Which GPUs of this machine get a worker. Without CUDA: the driver's files tell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

// `gpus` is "all", or numbers as in "0,1,3"; empty: none, workers are not by GPU.
// kInvalidArgument for anything else, a number twice, or numbers over 255; kNotFound when all are
// wanted and `device_directory` (/dev) has no nvidia0, nvidia1, ...
Result<std::vector<uint32_t>> ChooseGpus(const std::string& gpus,
                                         const std::string& device_directory);

}  // namespace promptcache
