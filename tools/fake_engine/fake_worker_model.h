// What a worker needs to run the fake engine: a model's tokenizer and metadata, but no weights.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "common/config.h"
#include "common/status.h"
#include "coordinator/served_model.h"
#include "worker/service/worker_service.h"

namespace promptcache {

struct FakeWorkerOptions {
  std::chrono::microseconds step{0};
  uint64_t kv_bytes_per_token = 256;
};

// Stands for `model`: a coordinator that serves it takes the worker in, and no unit of it is ever
// one of the real model's (Identity::weights). kInvalidArgument for a compression with a loss, for
// bytes as FakeFormat::Make, and when the tokenizer has no word to answer with.
Result<std::shared_ptr<WorkerModel>> MakeFakeWorkerModel(const ServedModel& model,
                                                         const WorkerSettings& settings,
                                                         const FakeWorkerOptions& options);

}  // namespace promptcache
