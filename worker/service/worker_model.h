// Loads the model that a worker runs. Hides LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "common/config.h"
#include "common/status.h"
#include "worker/service/worker_service.h"

namespace promptcache {

// Reads weights and tokenizer. Errors name the file and the fault; kFailedPrecondition when the
// device is not there. `progress` may be empty; it gets bytes of weights read and in all.
Result<std::shared_ptr<WorkerModel>> LoadWorkerModel(
    const WorkerSettings& settings,
    const std::function<void(uint64_t done, uint64_t total)>& progress = {});

}  // namespace promptcache
