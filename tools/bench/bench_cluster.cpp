#include "tools/bench/bench_cluster.h"

#include <fmt/format.h>

#include <atomic>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "cachestore/disk/open.h"
#include "cachestore/service/remote_store.h"
#include "cachestore/service/store_server.h"
#include "cluster/transport/link_security.h"
#include "cluster/transport/zmq_transport.h"
#include "coordinator/coordinator.h"

namespace promptcache {
namespace {

constexpr std::chrono::seconds kPatience{30};

// A transport and the thread that runs it.
class Reactor {
 public:
  explicit Reactor(std::unique_ptr<ZmqTransport> transport) : transport_(std::move(transport)) {}
  ~Reactor() { Stop(); }

  ZmqTransport& transport() { return *transport_; }
  void Run() {
    thread_ = std::jthread([this] { transport_->Run(); });
  }
  void Stop() {
    transport_->Stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  const std::unique_ptr<ZmqTransport> transport_;
  std::jthread thread_;
};

class BenchClusterImpl : public BenchCluster {
 public:
  explicit BenchClusterImpl(const BenchClusterOptions& options)
      : options_(options),
        context_(options.security.own_key.empty() ? TransportContext::Create() : nullptr) {}

  ~BenchClusterImpl() override {
    for (const auto& worker : workers_) worker->Drain();
    store_ = nullptr;
    for (const auto& reactor : {&worker_reactor_, &coordinator_reactor_, &store_reactor_}) {
      if (*reactor) (*reactor)->Stop();
    }
  }

  Status StartAll(const ServedModel& model) {
    if (!options_.security.own_key.empty() && options_.workers != 1) {
      return InvalidArgument("a cluster of a benchmark that has keys has one worker");
    }
    PC_RETURN_IF_ERROR(StartStore());
    PC_RETURN_IF_ERROR(StartCoordinator(model));
    return StartWorkers();
  }

  const std::string& endpoint() const override { return coordinator_->endpoints().client; }
  const Identity& identity() const override { return identity_; }
  BlobStore& store() override { return disk_->blobs(); }

 private:
  std::string EndpointFor(const std::string& name) const {
    return options_.links == LinkKind::kTcp ? "tcp://127.0.0.1:*"
                                            : "ipc://" + options_.directory + "/" + name;
  }

  Result<std::unique_ptr<Reactor>> CreateReactor(const std::string& process, PeerRole role) const {
    PC_ASSIGN_OR_RETURN(LinkSecurity security,
                        LoadLinkSecurity(options_.security, process, {role}));
    PC_ASSIGN_OR_RETURN(auto transport, ZmqTransport::Create({.context = context_,
                                                              .security = std::move(security)}));
    return std::make_unique<Reactor>(std::move(transport));
  }

  Status StartStore() {
    PC_ASSIGN_OR_RETURN(disk_, OpenDiskStore({.directory = options_.directory + "/store"}));
    PC_ASSIGN_OR_RETURN(store_reactor_, CreateReactor("store", PeerRole::kStore));
    PC_ASSIGN_OR_RETURN(
        server_, StoreServer::Create(
                     store_reactor_->transport(),
                     {.blobs = disk_->blobs(), .admin = disk_->admin(), .meta = &disk_->meta()},
                     {.endpoint = EndpointFor("store.sock")}));
    store_reactor_->Run();
    return {};
  }

  Status StartCoordinator(const ServedModel& model) {
    PC_ASSIGN_OR_RETURN(coordinator_reactor_, CreateReactor("coordinator", PeerRole::kCoordinator));
    CoordinatorSettings settings = DefaultSettings().coordinator;
    settings.client_endpoint = EndpointFor("clients.sock");
    settings.worker_endpoint = EndpointFor("workers.sock");
    settings.store_endpoint = server_->endpoint();
    PC_ASSIGN_OR_RETURN(coordinator_,
                        Coordinator::Create(coordinator_reactor_->transport(), settings, model));
    auto loaded = std::make_shared<std::promise<void>>();
    auto is_loaded = loaded->get_future();
    coordinator_->WhenReady([loaded] { loaded->set_value(); });
    coordinator_reactor_->Run();
    if (is_loaded.wait_for(kPatience) == std::future_status::ready) return {};
    return Unavailable("the coordinator did not reach its store in 30 s");
  }

  Status StartWorkers() {
    PC_ASSIGN_OR_RETURN(worker_reactor_, CreateReactor(kFirstWorker, PeerRole::kWorker));
    store_ = RemoteStore::Create(worker_reactor_->transport(), {.endpoint = server_->endpoint()});
    auto ready = std::make_shared<std::promise<void>>();
    auto is_ready = ready->get_future();
    auto left = std::make_shared<std::atomic<uint32_t>>(options_.workers);
    std::vector<std::unique_ptr<WorkerService>> workers;  // that do not run yet
    for (uint32_t i = 0; i < options_.workers; ++i) {
      PC_ASSIGN_OR_RETURN(auto worker, StartWorker(i));
      worker->OnReady([ready, left] {
        if (--*left == 0) ready->set_value();
      });
      workers.push_back(std::move(worker));
    }
    worker_reactor_->Run();
    workers_ = std::move(workers);
    if (is_ready.wait_for(kPatience) == std::future_status::ready) return {};
    return Unavailable("the workers did not reach the coordinator in 30 s");
  }

  Result<std::unique_ptr<WorkerService>> StartWorker(uint32_t index) {
    WorkerSettings settings = options_.worker;
    settings.name = index == 0 ? kFirstWorker : fmt::format("bench-{}", index);
    settings.coordinator_endpoints = {coordinator_->endpoints().worker};
    settings.store_endpoint = server_->endpoint();
    PC_ASSIGN_OR_RETURN(auto model, options_.make_model(settings));
    identity_ = model->identity();
    return WorkerService::Start({.transport = &worker_reactor_->transport(),
                                 .model = std::move(model),
                                 .store = store_.get()},
                                settings);
  }

  const BenchClusterOptions options_;
  // One I/O thread for all of the process. Null, and so one each, where each has an allowlist:
  // a context can ask but one.
  const std::shared_ptr<TransportContext> context_;
  Identity identity_;
  std::unique_ptr<DiskStore> disk_;
  // What lives on a reactor goes after it has stopped, and before its transport.
  std::unique_ptr<Reactor> store_reactor_, coordinator_reactor_, worker_reactor_;
  std::unique_ptr<StoreServer> server_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<RemoteStore> store_;
  std::vector<std::unique_ptr<WorkerService>> workers_;
};

}  // namespace

Result<std::unique_ptr<BenchCluster>> BenchCluster::Start(const ServedModel& model,
                                                          const BenchClusterOptions& options) {
  auto cluster = std::make_unique<BenchClusterImpl>(options);
  PC_RETURN_IF_ERROR(cluster->StartAll(model));
  return std::unique_ptr<BenchCluster>(std::move(cluster));
}

}  // namespace promptcache
