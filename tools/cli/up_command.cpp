#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster/launch/local_cluster.h"
#include "common/process.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct UpFlags {
  std::string model;
  std::string run_directory;
  std::string device;
  std::string dtype;
  int64_t workers = 0;
};

Result<LocalClusterOptions> OptionsOf(const CommandContext& context, const UpFlags& flags) {
  LocalClusterOptions options;
  PC_ASSIGN_OR_RETURN(options.settings, SettingsOf(context));
  options.bin_directory = context.bin_directory;
  options.config_file = context.config_file;
  Settings& settings = options.settings;
  if (!flags.model.empty()) settings.coordinator.model = settings.worker.model = flags.model;
  if (!flags.device.empty()) settings.worker.device = flags.device;
  if (!flags.dtype.empty()) settings.worker.dtype = flags.dtype;
  if (flags.workers > 0) settings.cluster.workers = flags.workers;
  if (context.endpoints.size() > 1) {
    return InvalidArgument("a cluster listens at one client endpoint: give --connect once");
  }
  if (!context.endpoints.empty()) settings.coordinator.client_endpoint = context.endpoints[0];
  options.run_directory =
      flags.run_directory.empty() ? settings.cluster.run_directory : flags.run_directory;
  return options;
}

// The process that was given up and without which nothing is served; empty while there is none. The
// cachestore is none of them: without it units are encoded anew.
std::string LostForGood(const std::vector<SupervisedProcess>& processes) {
  std::string lost;
  bool has_worker = false;
  for (const SupervisedProcess& process : processes) {
    const bool is_worker = process.name.starts_with("worker");
    has_worker |= is_worker && !process.given_up;
    if (process.given_up && process.name == "coordinator") return process.name;
    if (process.given_up && is_worker) lost = process.name;
  }
  return has_worker ? "" : lost;
}

int RunUp(const CommandContext& context, const UpFlags& flags) {
  auto options = OptionsOf(context, flags);
  if (!options.ok()) return Fail(options.status());
  std::atomic<bool> stop{false};
  CallOnStopSignal([&stop] { stop = true; });
  options->stop_requested = [&stop] { return stop.load(); };
  auto cluster = LocalCluster::Start(
      *options, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  if (!cluster.ok()) return Fail(cluster.status());
  Table table({{"process"}, {"pid", Align::kRight}});
  for (const SupervisedProcess& process : (*cluster)->processes()) {
    table.AddRow({process.name, std::to_string(process.pid)});
  }
  fmt::print("{}clients connect to {}; logs are in {}; stop with Ctrl-C\n", table.Render(),
             (*cluster)->endpoints().client, options->run_directory);
  std::fflush(stdout);
  std::string lost;
  while (!stop && lost.empty()) {
    (*cluster)->Tick();
    lost = LostForGood((*cluster)->processes());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  fmt::print(stderr, "stopping\n");
  (*cluster)->Stop();
  if (lost.empty()) return kExitOk;
  return Fail(Unavailable(lost + " kept ending and was given up; see its log in " +
                          options->run_directory));
}

}  // namespace

void AddUpCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<UpFlags>();
  CLI::App* command =
      app.add_subcommand("up", "Start a cachestore, a coordinator and workers on this machine");
  command->add_option("--model", flags->model, "GGUF file or Hugging Face directory of the model");
  command->add_option("--workers", flags->workers, "How many workers")->check(CLI::Range(1, 256));
  command->add_option("--device", flags->device, "cpu or cuda:N");
  command->add_option("--dtype", flags->dtype, "auto, fp32 or bf16");
  command->add_option("--run-directory", flags->run_directory, "For logs and the store");
  command->footer(
      "Examples:\n"
      "  promptcache up --model model.gguf --workers 2\n"
      "  promptcache --config cluster.toml up\n"
      "Processes that die are started again. The first Ctrl-C drains and stops all.");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunUp(context, *flags); }; });
}

}  // namespace promptcache
