#include <CLI/CLI.hpp>
#include <cstdint>

#include "tools/fake_engine/fake_worker_model.h"
#include "worker/service/worker_program.h"

namespace promptcache {
namespace {

int Main(int argc, char** argv) {
  CLI::App app(
      "A worker without a model, for tests and measurements: it moves real units and answers with "
      "words that depend on all their bytes",
      "promptcache-fake-worker");
  FakeWorkerOptions options;
  uint64_t step_us = 0;
  app.add_option("--step-us", step_us, "Microseconds of a step")->capture_default_str();
  app.add_option("--kv-bytes-per-token", options.kv_bytes_per_token, "Of a unit; a multiple of 8")
      ->capture_default_str();
  return RunWorkerProgram(
      app, argc, argv, [&](const WorkerSettings& settings) -> Result<std::shared_ptr<WorkerModel>> {
        options.step = std::chrono::microseconds(step_us);
        PC_ASSIGN_OR_RETURN(const ServedModel model, LoadServedModel(settings.model, "auto"));
        return MakeFakeWorkerModel(model, settings, options);
      });
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) { return promptcache::Main(argc, argv); }
