#include "cluster/launch/local_cluster.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "cluster/launch/gpus.h"
#include "cluster/launch/run_directory.h"
#include "common/exit_codes.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kReadyTimeout{120};
constexpr milliseconds kPoll{20};

// In the order of starting; stopped the other way round.
enum Stage { kStoreStage, kCoordinatorStage, kWorkerStage };

// The last lines that a log has got since it was so long, for an error message.
std::string TailOf(const std::string& path, std::streamoff begin) {
  std::ifstream file(path);
  file.seekg(begin);
  std::string tail;
  for (std::string line; std::getline(file, line);) {
    tail += "\n  " + line;
    if (tail.size() > 2000) tail.erase(0, tail.find('\n', 1));
  }
  return tail;
}

std::string ShortHostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "host";
  const std::string full(name.data());
  return full.substr(0, full.find('.'));
}

// ADDRESS:PORT, so many ports further; 0 stays any free one.
std::string PortAfter(const std::string& endpoint, size_t ports) {
  const size_t colon = endpoint.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos) return endpoint;
  std::from_chars(endpoint.data() + colon + 1, endpoint.data() + endpoint.size(), port);
  return port == 0 ? endpoint : endpoint.substr(0, colon + 1) + std::to_string(port + ports);
}

struct WorkerSlot {
  std::string name;
  std::string device;
};

class ClusterImpl : public LocalCluster {
 public:
  ClusterImpl(LocalClusterOptions options, std::function<void(const std::string&)> progress)
      : options_(std::move(options)),
        progress_(std::move(progress)),
        runner_(MakeProcessRunner()),
        supervisor_(*runner_, SystemClock()) {}

  ~ClusterImpl() override { Stop(); }

  Status StartAll() {
    PC_RETURN_IF_ERROR(ChooseWorkers());
    PC_ASSIGN_OR_RETURN(RunDirectory run, RunDirectory::Take(options_.run_directory));
    run_.emplace(std::move(run));
    if (run_->was_stale()) {
      progress_("the last cluster in " + options_.run_directory + " was not stopped in order");
    }
    if (Has(ClusterPart::kStore)) PC_RETURN_IF_ERROR(StartStore());
    if (Has(ClusterPart::kCoordinator)) PC_RETURN_IF_ERROR(StartCoordinator());
    PC_RETURN_IF_ERROR(StartWorkers());
    return WriteState();
  }

  const ClusterEndpoints& endpoints() const override { return endpoints_; }
  std::vector<SupervisedProcess> processes() const override { return supervisor_.processes(); }
  void Tick() override { supervisor_.Tick(progress_); }

  void Stop() override {
    if (!run_) return;  // the files are another cluster's
    run_->NoteStopping();
    supervisor_.BeginStop();
    while (!supervisor_.done()) {
      supervisor_.Tick(progress_);
      std::this_thread::sleep_for(kPoll);
    }
    run_.reset();
  }

 private:
  bool Has(ClusterPart part) const { return options_.parts.contains(part); }

  Status ChooseWorkers() {
    if (!Has(ClusterPart::kWorkers)) return {};
    // The names of workers are those of a cluster, not of a machine.
    const std::string prefix = Has(ClusterPart::kCoordinator) ? "" : ShortHostName() + "-";
    const Settings& settings = options_.settings;
    PC_ASSIGN_OR_RETURN(const std::vector<uint32_t> gpus,
                        ChooseGpus(settings.cluster.gpus, options_.device_directory));
    for (const uint32_t gpu : gpus) {
      workers_.push_back({fmt::format("{}worker-gpu{}", prefix, gpu), fmt::format("cuda:{}", gpu)});
    }
    for (int64_t i = 1; gpus.empty() && i <= settings.cluster.workers; ++i) {
      workers_.push_back({fmt::format("{}worker-{}", prefix, i), settings.worker.device});
    }
    return {};
  }

  ProcessCommand Command(const std::string& program, const std::string& name,
                         std::vector<std::string> arguments) const {
    ProcessCommand command{.log_file = run_->LogFile(name)};
    command.argv = {(fs::path(options_.bin_directory) / program).string()};
    if (!options_.config_file.empty()) {
      command.argv.insert(command.argv.end(), {"--config", options_.config_file});
    }
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.argv.insert(command.argv.end(), {"--ready-file", run_->ReadyFile(name)});
    return command;
  }

  Status Launch(Stage stage, const std::string& program, const std::string& name,
                std::vector<std::string> arguments) {
    std::error_code ignored;
    fs::remove(run_->ReadyFile(name), ignored);
    const uintmax_t logged = fs::file_size(run_->LogFile(name), ignored);
    log_begins_[name] = ignored ? 0 : static_cast<std::streamoff>(logged);
    return supervisor_.Add(name, stage, Command(program, name, std::move(arguments)));
  }

  // What the process wrote when it was ready; nullopt while it is not.
  std::optional<nlohmann::json> ReadyOf(const std::string& name) const {
    std::ifstream file(run_->ReadyFile(name));
    if (!file) return std::nullopt;
    auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
    return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
  }

  // A first start that fails is not retried.
  Status CheckStarting(const std::string& name) const {
    if (options_.stop_requested && options_.stop_requested()) {
      return Cancelled("stopped while " + name + " was starting");
    }
    for (const SupervisedProcess& process : supervisor_.processes()) {
      if (process.name != name || process.pid != 0) continue;
      const std::string log = run_->LogFile(name);
      return Status(CodeOfExit(process.last_exit),
                    fmt::format("{} ended with {}; its log {} says:{}", name, process.last_exit,
                                log, TailOf(log, log_begins_.at(name))));
    }
    return {};
  }

  // Until all are ready. Says for whom it waits: why that one does not come only its log can tell.
  Status WaitReady(std::vector<std::string> names) {
    SteadyTime since = SystemClock().Now();
    bool said = false;
    for (;; std::this_thread::sleep_for(kPoll)) {
      const size_t ready =
          std::erase_if(names, [this](const auto& name) { return ReadyOf(name).has_value(); });
      if (names.empty()) return {};
      if (ready > 0) {
        since = SystemClock().Now();
        said = false;
      }
      supervisor_.Tick(progress_);
      for (const std::string& name : names) PC_RETURN_IF_ERROR(CheckStarting(name));
      const auto waited = SystemClock().Now() - since;
      const std::string log = run_->LogFile(names[0]);
      if (waited >= kReadyTimeout) {
        return DeadlineExceeded(fmt::format("{} is not ready after {} s; see {}", names[0],
                                            kReadyTimeout.count(), log));
      }
      if (said || waited < options_.say_waiting_after) continue;
      const std::string more =
          names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "";
      progress_(fmt::format("waiting for {}{} (see {})", names[0], more, log));
      said = true;
    }
  }

  Result<nlohmann::json> WaitReady(const std::string& name) {
    PC_RETURN_IF_ERROR(WaitReady(std::vector{name}));
    return ReadyOf(name).value_or(nlohmann::json());
  }

  Result<std::string> EndpointIn(const nlohmann::json& ready, const std::string& name,
                                 const char* key) const {
    const auto found = ready.find(key);
    if (found == ready.end() || !found->is_string()) {
      return Internal(fmt::format("{} has no text '{}'", run_->ReadyFile(name), key));
    }
    return found->get<std::string>();
  }

  std::vector<std::string> StoreArguments(const std::string& endpoint) const {
    std::string directory = options_.settings.store.directory;
    if (directory == DefaultSettings().store.directory) directory = run_->File("store");
    return {"--directory", directory, "--endpoint", endpoint};
  }

  Status StartStore() {
    progress_("starting the cachestore");
    PC_RETURN_IF_ERROR(Launch(kStoreStage, "promptcache-cachestore", "store",
                              StoreArguments(options_.settings.store.endpoint)));
    PC_ASSIGN_OR_RETURN(const nlohmann::json ready, WaitReady("store"));
    PC_ASSIGN_OR_RETURN(endpoints_.store, EndpointIn(ready, "store", "endpoint"));
    supervisor_.SetCommand(
        "store", Command("promptcache-cachestore", "store", StoreArguments(endpoints_.store)));
    return {};
  }

  std::vector<std::string> CoordinatorArguments(const std::string& client,
                                                const std::string& worker) const {
    const CoordinatorSettings& own = options_.settings.coordinator;
    std::vector<std::string> arguments = {"--model", own.model,           "--client-endpoint",
                                          client,    "--worker-endpoint", worker};
    AddStoreEndpoint(own.store_endpoint, arguments);
    return arguments;
  }

  // The one here, else the one that the settings name.
  void AddStoreEndpoint(const std::string& elsewhere, std::vector<std::string>& arguments) const {
    const std::string& store = Has(ClusterPart::kStore) ? endpoints_.store : elsewhere;
    if (!store.empty()) arguments.insert(arguments.end(), {"--store-endpoint", store});
  }

  Status StartCoordinator() {
    progress_("starting the coordinator");
    const CoordinatorSettings& own = options_.settings.coordinator;
    PC_RETURN_IF_ERROR(Launch(kCoordinatorStage, "promptcache-coordinator", "coordinator",
                              CoordinatorArguments(own.client_endpoint, own.worker_endpoint)));
    PC_ASSIGN_OR_RETURN(const nlohmann::json ready, WaitReady("coordinator"));
    PC_ASSIGN_OR_RETURN(endpoints_.client, EndpointIn(ready, "coordinator", "client_endpoint"));
    PC_ASSIGN_OR_RETURN(endpoints_.worker, EndpointIn(ready, "coordinator", "worker_endpoint"));
    supervisor_.SetCommand("coordinator",
                           Command("promptcache-coordinator", "coordinator",
                                   CoordinatorArguments(endpoints_.client, endpoints_.worker)));
    return {};
  }

  // Several coordinators are those of the settings; one is the one here.
  std::vector<std::string> CoordinatorsOfWorkers() const {
    const std::vector<std::string>& named = options_.settings.worker.coordinator_endpoints;
    if (!Has(ClusterPart::kCoordinator) || named.size() > 1) return named;
    return {endpoints_.worker};
  }

  std::vector<std::string> WorkerArguments(size_t index) const {
    const WorkerSettings& own = options_.settings.worker;
    const std::string& model = own.model.empty() ? options_.settings.coordinator.model : own.model;
    std::vector<std::string> arguments = {"--model",   model,
                                          "--name",    workers_[index].name,
                                          "--device",  workers_[index].device,
                                          "--dtype",   own.dtype,
                                          "--threads", std::to_string(own.threads)};
    for (const std::string& coordinator : CoordinatorsOfWorkers()) {
      arguments.insert(arguments.end(), {"--coordinator-endpoint", coordinator});
    }
    AddStoreEndpoint(own.store_endpoint, arguments);
    if (!own.metrics_endpoint.empty()) {
      arguments.insert(arguments.end(),
                       {"--metrics-endpoint", PortAfter(own.metrics_endpoint, index)});
    }
    return arguments;
  }

  Status StartWorkers() {
    std::vector<std::string> names;
    for (size_t i = 0; i < workers_.size(); ++i) {
      progress_(fmt::format("starting {} on {}", workers_[i].name, workers_[i].device));
      PC_RETURN_IF_ERROR(
          Launch(kWorkerStage, "promptcache-worker", workers_[i].name, WorkerArguments(i)));
      names.push_back(workers_[i].name);
    }
    return WaitReady(names);
  }

  // For programs that look for the cluster of a run directory.
  Status WriteState() const {
    return run_->WriteEndpoints({{"client_endpoint", endpoints_.client},
                                 {"worker_endpoint", endpoints_.worker},
                                 {"store_endpoint", endpoints_.store}});
  }

  const LocalClusterOptions options_;
  const std::function<void(const std::string&)> progress_;
  const std::unique_ptr<ProcessRunner> runner_;
  Supervisor supervisor_;
  std::optional<RunDirectory> run_;                   // from the start to the stop
  std::map<std::string, std::streamoff> log_begins_;  // by process: what earlier starts wrote
  std::vector<WorkerSlot> workers_;
  ClusterEndpoints endpoints_;
};

}  // namespace

Result<std::unique_ptr<LocalCluster>> LocalCluster::Start(
    const LocalClusterOptions& options, const std::function<void(const std::string&)>& progress) {
  const bool only_store = options.parts == std::set<ClusterPart>{ClusterPart::kStore};
  if (!only_store && options.settings.coordinator.model.empty() &&
      options.settings.worker.model.empty()) {
    return InvalidArgument(
        "no model: give --model FILE.gguf or DIRECTORY, or set coordinator.model");
  }
  auto cluster = std::make_unique<ClusterImpl>(options, progress);
  PC_RETURN_IF_ERROR(cluster->StartAll());
  return std::unique_ptr<LocalCluster>(std::move(cluster));
}

}  // namespace promptcache
