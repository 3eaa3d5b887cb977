// The program around a worker: its flags and settings, its links, and its end.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "common/config.h"
#include "common/status.h"
#include "worker/service/worker_service.h"

namespace promptcache {

using LoadModelFunction =
    std::function<Result<std::shared_ptr<WorkerModel>>(const WorkerSettings& settings)>;

// Adds a worker's flags to `app`, loads the model and serves until a signal stops it; the exit code
// of RunService.
int RunWorkerProgram(CLI::App& app, int argc, char** argv, const LoadModelFunction& load);

}  // namespace promptcache
