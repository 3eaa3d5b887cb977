#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cluster/launch/local_cluster.h"
#include "common/process.h"
#include "tools/cli/commands.h"
#include "tools/cli/detached_up.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr std::pair<const char*, ClusterPart> kParts[] = {
    {"coordinator", ClusterPart::kCoordinator},
    {"store", ClusterPart::kStore},
    {"workers", ClusterPart::kWorkers}};

struct UpFlags {
  std::string model;
  std::string run_directory;
  std::string device;
  std::string dtype;
  std::string gpus;
  int64_t workers = 0;
  std::vector<std::string> only;
  bool detach = false;
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
  if (!flags.gpus.empty()) settings.cluster.gpus = flags.gpus;
  if (flags.workers > 0) settings.cluster.workers = flags.workers;
  if (context.endpoints.size() > 1) {
    return InvalidArgument("a cluster listens at one client endpoint: give --connect once");
  }
  if (!context.endpoints.empty()) settings.coordinator.client_endpoint = context.endpoints[0];
  options.run_directory =
      flags.run_directory.empty() ? settings.cluster.run_directory : flags.run_directory;
  if (flags.only.empty()) return options;
  options.parts.clear();
  for (const auto& [name, part] : kParts) {
    const bool wanted = std::find(flags.only.begin(), flags.only.end(), name) != flags.only.end();
    if (wanted) options.parts.insert(part);
  }
  return options;
}

// The process that was given up and without which nothing is served; empty while there is none. A
// cachestore beside others is none of them: without it units are encoded anew.
std::string LostForGood(const std::vector<SupervisedProcess>& processes) {
  std::string lost;
  bool has_worker = false;
  for (const SupervisedProcess& process : processes) {
    const bool is_worker = process.name != "coordinator" && process.name != "store";
    const bool is_needed = process.name == "coordinator" || processes.size() == 1;
    if (process.given_up && is_needed) return process.name;
    has_worker |= is_worker && !process.given_up;
    if (process.given_up && is_worker) lost = process.name;
  }
  return has_worker ? "" : lost;
}

// Works in whatever directory it is called.
std::string DownCommand(const std::string& run_directory) {
  const auto absolute = std::filesystem::absolute(run_directory).lexically_normal();
  return "promptcache down --run-directory " + absolute.string();
}

void PrintCluster(const LocalCluster& cluster, const std::string& run_directory) {
  Table table({{"process"}, {"pid", Align::kRight}});
  for (const SupervisedProcess& process : cluster.processes()) {
    table.AddRow({process.name, std::to_string(process.pid)});
  }
  fmt::print("{}", table.Render());
  if (!cluster.endpoints().client.empty()) {
    fmt::print("clients connect to {}; ", cluster.endpoints().client);
  }
  fmt::print("logs are in {}; stop with Ctrl-C or `{}`\n", run_directory,
             DownCommand(run_directory));
  std::fflush(stdout);
}

// The same command without --detach.
std::vector<std::string> ArgumentsOf(const CommandContext& context, const UpFlags& flags,
                                     const std::string& run_directory) {
  std::vector<std::string> arguments;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {name, value});
  };
  add("--config", context.config_file);
  for (const std::string& endpoint : context.endpoints) add("--connect", endpoint);
  arguments.emplace_back("up");
  add("--model", flags.model);
  add("--device", flags.device);
  add("--dtype", flags.dtype);
  add("--gpus", flags.gpus);
  add("--workers", flags.workers > 0 ? std::to_string(flags.workers) : "");
  add("--only", fmt::format("{}", fmt::join(flags.only, ",")));
  add("--run-directory", run_directory);
  return arguments;
}

int Detach(const CommandContext& context, const UpFlags& flags, const std::string& run_directory) {
  const auto pid = StartDetached(ArgumentsOf(context, flags, run_directory), run_directory);
  if (!pid.ok()) return Fail(pid.status());
  fmt::print("running as process {}; logs are in {}; stop with `{}`\n", *pid, run_directory,
             DownCommand(run_directory));
  return kExitOk;
}

int RunUp(const CommandContext& context, const UpFlags& flags) {
  auto options = OptionsOf(context, flags);
  if (!options.ok()) return Fail(options.status());
  if (flags.detach) return Detach(context, flags, options->run_directory);
  std::atomic<bool> stop{false};
  CallOnStopSignal([&stop] { stop = true; });
  options->stop_requested = [&stop] { return stop.load(); };
  auto cluster = LocalCluster::Start(
      *options, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  if (!cluster.ok()) return Fail(cluster.status());
  PrintCluster(**cluster, options->run_directory);
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
  command->add_option("--gpus", flags->gpus,
                      "A worker for each GPU: all, or their numbers, such as 0,1,3");
  command
      ->add_option("--only", flags->only,
                   "What to start here: coordinator, store, workers, with commas between; the "
                   "others are where the configuration says")
      ->delimiter(',')
      ->check(CLI::IsMember({"coordinator", "store", "workers"}));
  command->add_option("--run-directory", flags->run_directory, "For logs and the store");
  command->add_flag("--detach", flags->detach,
                    "Return when it serves; it goes on until `promptcache down`");
  command->footer(
      "Examples:\n"
      "  promptcache up --model model.gguf --workers 2\n"
      "  promptcache --config cluster.toml up --gpus all\n"
      "  promptcache --config cluster.toml up --only coordinator,store    # on one machine\n"
      "  promptcache --config cluster.toml up --only workers              # on the others\n"
      "Processes that die are started again. The first Ctrl-C, or `promptcache down`, drains and\n"
      "stops all.");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunUp(context, *flags); }; });
}

}  // namespace promptcache
