#include "cluster/launch/local_cluster.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/process.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kReadyTimeout{120};
constexpr milliseconds kPoll{20};

// In the order of starting; stopped the other way round.
enum Stage { kStoreStage, kCoordinatorStage, kWorkerStage };

// The last lines of a log, for an error message.
std::string TailOf(const std::string& path) {
  std::ifstream file(path);
  std::string tail;
  for (std::string line; std::getline(file, line);) {
    tail += "\n  " + line;
    if (tail.size() > 2000) tail.erase(0, tail.find('\n', 1));
  }
  return tail;
}

class ClusterImpl : public LocalCluster {
 public:
  ClusterImpl(LocalClusterOptions options, std::function<void(const std::string&)> progress)
      : options_(std::move(options)),
        progress_(std::move(progress)),
        runner_(MakeProcessRunner()),
        supervisor_(*runner_, SystemClock()) {}

  ~ClusterImpl() override {
    Stop();
    if (lock_ >= 0) ::close(lock_);
  }

  Status StartAll() {
    std::error_code error;
    fs::create_directories(options_.run_directory, error);
    if (error) {
      return Unavailable("cannot create " + options_.run_directory + ": " + error.message());
    }
    PC_RETURN_IF_ERROR(LockRunDirectory());
    PC_RETURN_IF_ERROR(StartStore());
    PC_RETURN_IF_ERROR(StartCoordinator());
    PC_RETURN_IF_ERROR(StartWorkers());
    return WriteState();
  }

  const ClusterEndpoints& endpoints() const override { return endpoints_; }
  std::vector<SupervisedProcess> processes() const override { return supervisor_.processes(); }
  void Tick() override { supervisor_.Tick(progress_); }

  void Stop() override {
    supervisor_.BeginStop();
    while (!supervisor_.done()) {
      supervisor_.Tick(progress_);
      std::this_thread::sleep_for(kPoll);
    }
    if (lock_ < 0) return;  // the files are another cluster's
    std::error_code ignored;
    fs::remove(InRun("cluster.json"), ignored);
  }

 private:
  std::string InRun(const std::string& name) const {
    return (fs::path(options_.run_directory) / name).string();
  }

  // Held until the end of this object: two clusters would write each other's files.
  Status LockRunDirectory() {
    const std::string path = InRun("lock");
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return Unavailable("cannot write " + path + ": " + std::strerror(errno));
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      ::close(file);
      return FailedPrecondition("the run directory " + options_.run_directory +
                                " is in use by another cluster; choose another one");
    }
    lock_ = file;
    return {};
  }

  ProcessCommand Command(const std::string& program, const std::string& name,
                         std::vector<std::string> arguments) const {
    ProcessCommand command{.log_file = InRun(name + ".log")};
    command.argv = {(fs::path(options_.bin_directory) / program).string()};
    if (!options_.config_file.empty()) {
      command.argv.insert(command.argv.end(), {"--config", options_.config_file});
    }
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.argv.insert(command.argv.end(), {"--ready-file", InRun(name + ".ready")});
    return command;
  }

  Status Launch(Stage stage, const std::string& program, const std::string& name,
                std::vector<std::string> arguments) {
    std::error_code ignored;
    fs::remove(InRun(name + ".ready"), ignored);
    return supervisor_.Add(name, stage, Command(program, name, std::move(arguments)));
  }

  // What the process wrote when it was ready. A first start that fails is not retried.
  Result<nlohmann::json> WaitReady(const std::string& name) {
    const SteadyTime give_up = SystemClock().Now() + kReadyTimeout;
    while (SystemClock().Now() < give_up) {
      std::ifstream file(InRun(name + ".ready"));
      if (file) {
        auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
        if (json.is_object()) return json;
      }
      if (options_.stop_requested && options_.stop_requested()) {
        return Cancelled("stopped while " + name + " was starting");
      }
      supervisor_.Tick(progress_);
      for (const SupervisedProcess& process : supervisor_.processes()) {
        if (process.name != name || process.pid != 0) continue;
        return Unavailable(fmt::format("{} ended with {}; its log {} says:{}", name,
                                       process.last_exit, InRun(name + ".log"),
                                       TailOf(InRun(name + ".log"))));
      }
      std::this_thread::sleep_for(kPoll);
    }
    return DeadlineExceeded(fmt::format("{} is not ready after {} s; see {}", name,
                                        kReadyTimeout.count(), InRun(name + ".log")));
  }

  Result<std::string> EndpointIn(const nlohmann::json& ready, const std::string& name,
                                 const char* key) const {
    const auto found = ready.find(key);
    if (found == ready.end() || !found->is_string()) {
      return Internal(fmt::format("{} has no text '{}'", InRun(name + ".ready"), key));
    }
    return found->get<std::string>();
  }

  std::vector<std::string> StoreArguments(const std::string& endpoint) const {
    std::string directory = options_.settings.store.directory;
    if (directory == DefaultSettings().store.directory) directory = InRun("store");
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
    return {"--model",           options_.settings.coordinator.model,
            "--client-endpoint", client,
            "--worker-endpoint", worker,
            "--store-endpoint",  endpoints_.store};
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

  Status StartWorkers() {
    const WorkerSettings& own = options_.settings.worker;
    const std::string model = own.model.empty() ? options_.settings.coordinator.model : own.model;
    for (int64_t i = 1; i <= options_.settings.cluster.workers; ++i) {
      const std::string name = fmt::format("worker-{}", i);
      progress_(fmt::format("starting {} on {}", name, own.device));
      PC_RETURN_IF_ERROR(
          Launch(kWorkerStage, "promptcache-worker", name,
                 {"--model", model, "--name", name, "--device", own.device, "--dtype", own.dtype,
                  "--threads", std::to_string(own.threads), "--coordinator-endpoint",
                  endpoints_.worker, "--store-endpoint", endpoints_.store}));
    }
    for (int64_t i = 1; i <= options_.settings.cluster.workers; ++i) {
      PC_RETURN_IF_ERROR(WaitReady(fmt::format("worker-{}", i)).status());
    }
    return {};
  }

  // For programs that look for the cluster of a run directory.
  Status WriteState() {
    const nlohmann::json state = {{"client_endpoint", endpoints_.client},
                                  {"worker_endpoint", endpoints_.worker},
                                  {"store_endpoint", endpoints_.store}};
    return WriteFileAtomically(InRun("cluster.json"), state.dump(2) + "\n");
  }

  const LocalClusterOptions options_;
  const std::function<void(const std::string&)> progress_;
  const std::unique_ptr<ProcessRunner> runner_;
  Supervisor supervisor_;
  int lock_ = -1;  // of the run directory
  ClusterEndpoints endpoints_;
};

}  // namespace

Result<std::unique_ptr<LocalCluster>> LocalCluster::Start(
    const LocalClusterOptions& options, const std::function<void(const std::string&)>& progress) {
  if (options.settings.coordinator.model.empty()) {
    return InvalidArgument(
        "no model: give --model FILE.gguf or DIRECTORY, or set coordinator.model");
  }
  auto cluster = std::make_unique<ClusterImpl>(options, progress);
  PC_RETURN_IF_ERROR(cluster->StartAll());
  return std::unique_ptr<LocalCluster>(std::move(cluster));
}

}  // namespace promptcache
