#include <cstdlib>

#include "common/log.h"
#include "common/process.h"
#include "worker/device/compute_environment.h"
#include "worker/service/worker_model.h"
#include "worker/service/worker_program.h"

namespace promptcache {
namespace {

// Loading takes minutes for large models: says so at every tenth.
std::function<void(uint64_t, uint64_t)> LogLoading() {
  return [logged = uint64_t{0}](uint64_t done, uint64_t total) mutable {
    const uint64_t tenths = total == 0 ? 10 : 10 * done / total;
    if (tenths == logged) return;
    logged = tenths;
    Log(LogLevel::kInfo, "loading the model", {{"percent", 10 * tenths}, {"bytes", total}});
  };
}

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache worker: encodes units and answers prompts on one device",
               "promptcache-worker");
  return RunWorkerProgram(app, argc, argv, [](const WorkerSettings& settings) {
    return LoadWorkerModel(settings, LogLoading());
  });
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) {
  for (const auto& variable : promptcache::kComputeEnvironment) {
    if (std::getenv(variable.name) != nullptr) continue;
    promptcache::RestartWithEnvironment(promptcache::kComputeEnvironment, argv);
    break;
  }
  return promptcache::Main(argc, argv);
}
