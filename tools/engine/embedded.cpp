#include "tools/engine/embedded.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "cachestore/service/remote_store.h"
#include "cachestore/service/store_server.h"
#include "cluster/transport/zmq_transport.h"
#include "coordinator/coordinator.h"
#include "tools/cli/progress.h"
#include "worker/service/worker_model.h"
#include "worker/service/worker_service.h"

namespace promptcache {
namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::milliseconds kPoll{2};

std::string UniqueName(const char* part) {
  static std::atomic<uint64_t> counter{0};
  return "inproc://promptcache-" + std::to_string(++counter) + "-" + part;
}

// The stores of this process, on disk or in memory.
struct Stores {
  std::unique_ptr<DiskStore> disk;
  MemoryBlobStore memory_blobs;
  MemoryMetaStore memory_meta;

  BlobStore& blobs() { return disk ? disk->blobs() : memory_blobs; }
  StoreAdmin& admin() { return disk ? disk->admin() : memory_blobs; }
  MetaStore& meta() { return disk ? disk->meta() : memory_meta; }
};

class EmbeddedImpl : public EmbeddedSystem {
 public:
  explicit EmbeddedImpl(const EmbeddedOptions& options) : options_(options) {}

  ~EmbeddedImpl() override {
    client_.reset();
    if (!transport_) return;
    if (worker_) worker_->Drain();
    store_.reset();
    OnReactor([this] {
      worker_.reset();
      coordinator_.reset();
      server_.reset();
    });
    transport_->Stop();
    reactor_.join();
  }

  Status StartAll() {
    PC_RETURN_IF_ERROR(LoadModels());
    if (!options_.store_directory.empty()) {
      PC_ASSIGN_OR_RETURN(stores_.disk, OpenDiskStore({.directory = options_.store_directory}));
    }
    PC_ASSIGN_OR_RETURN(transport_, ZmqTransport::Create(context_));
    reactor_ = std::jthread([this] { transport_->Run(); });
    PC_RETURN_IF_ERROR(OnReactor([this] { return StartStoreAndCoordinator(); }));
    PC_RETURN_IF_ERROR(WaitForSchemas());
    store_ = RemoteStore::Create(*transport_, {.endpoint = store_endpoint_});
    PC_RETURN_IF_ERROR(StartWorker());
    PC_ASSIGN_OR_RETURN(client_,
                        Client::Connect({.endpoints = {client_endpoint_}, .context = context_}));
    return {};
  }

  Client& client() override { return *client_; }
  const Tokenizer& tokenizer() const override { return model_->tokenizer(); }
  const Identity& identity() const override { return model_->identity(); }
  BlobStore& store() override { return *store_; }

  Status WaitCommitted(const Usage& usage) override {
    std::vector<UnitKey> keys;
    for (const UnitUsage& unit : usage.units) {
      keys.push_back(MakeUnitKey(identity().Digest(), 0, unit.digest));
    }
    const SteadyTime give_up = SystemClock().Now() + kPatience;
    while (SystemClock().Now() < give_up) {
      PC_ASSIGN_OR_RETURN(const auto present, stores_.blobs().Contains(keys));
      if (std::all_of(present.begin(), present.end(), [](bool one) { return one; })) return {};
      std::this_thread::sleep_for(kPoll);
    }
    return DeadlineExceeded("the store does not hold every unit after 30 s");
  }

  Status RestartWorker() override {
    worker_->Drain();
    PC_RETURN_IF_ERROR(OnReactor([this] {
      worker_.reset();
      return Status();
    }));
    PC_RETURN_IF_ERROR(StartWorker());
    // The coordinator still counts the lost one until its lease ends; wait for it to be alone.
    return WaitForWorkers(1);
  }

  Status DropPageCache() override {
    if (options_.store_directory.empty()) return {};
    std::error_code error;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(options_.store_directory, error)) {
      if (!entry.is_regular_file()) continue;
      const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      if (file < 0) continue;
      (void)::fdatasync(file);
      (void)::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
      ::close(file);
    }
    return {};
  }

 private:
  Status LoadModels() {
    PC_ASSIGN_OR_RETURN(model_,
                        LoadWorkerModel(WorkerSettingsOf(options_), ProgressOnTerminal("loading")));
    PC_ASSIGN_OR_RETURN(served_, LoadServedModel(options_.model, "auto"));
    return {};
  }

  // Runs on the reactor thread and waits for the outcome.
  template <typename Function>
  auto OnReactor(Function function) -> decltype(function()) {
    std::promise<decltype(function())> done;
    transport_->Post([&] {
      if constexpr (std::is_void_v<decltype(function())>) {
        function();
        done.set_value();
      } else {
        done.set_value(function());
      }
    });
    return done.get_future().get();
  }

  Status StartStoreAndCoordinator() {
    PC_ASSIGN_OR_RETURN(
        server_, StoreServer::Create(
                     *transport_,
                     {.blobs = stores_.blobs(), .admin = stores_.admin(), .meta = &stores_.meta()},
                     {.endpoint = UniqueName("store")}));
    store_endpoint_ = server_->endpoint();
    CoordinatorSettings settings = DefaultSettings().coordinator;
    settings.client_endpoint = UniqueName("clients");
    settings.worker_endpoint = UniqueName("workers");
    settings.store_endpoint = store_endpoint_;
    settings.model = options_.model;
    PC_ASSIGN_OR_RETURN(coordinator_, Coordinator::Create(*transport_, settings, served_));
    client_endpoint_ = coordinator_->endpoints().client;
    worker_endpoint_ = coordinator_->endpoints().worker;
    return {};
  }

  Status WaitForSchemas() {
    auto loaded = std::make_shared<std::promise<void>>();
    auto is_loaded = loaded->get_future();
    OnReactor([this, loaded] { coordinator_->WhenReady([loaded] { loaded->set_value(); }); });
    if (is_loaded.wait_for(kPatience) == std::future_status::ready) return {};
    return Unavailable("the coordinator did not load its schemas in 30 s");
  }

  Status StartWorker() {
    auto ready = std::make_shared<std::promise<void>>();
    auto is_ready = ready->get_future();
    WorkerSettings settings = WorkerSettingsOf(options_);
    settings.coordinator_endpoints = {worker_endpoint_};
    PC_RETURN_IF_ERROR(OnReactor([this, ready, &settings]() -> Status {
      PC_ASSIGN_OR_RETURN(
          worker_,
          WorkerService::Start(
              {.transport = transport_.get(), .model = model_, .store = store_.get()}, settings));
      worker_->OnReady([ready, done = false]() mutable {
        if (!std::exchange(done, true)) ready->set_value();
      });
      return {};
    }));
    if (is_ready.wait_for(kPatience) == std::future_status::ready) return {};
    return Unavailable("the worker did not reach the coordinator in 30 s");
  }

  Status WaitForWorkers(size_t count) {
    const SteadyTime give_up = SystemClock().Now() + kPatience;
    while (SystemClock().Now() < give_up) {
      PC_ASSIGN_OR_RETURN(const StatusReply status, client_->GetStatus());
      if (status.workers.size() == count) return {};
      std::this_thread::sleep_for(kPoll);
    }
    return Unavailable("the coordinator still counts the worker that was replaced");
  }

  const EmbeddedOptions options_;
  const std::shared_ptr<TransportContext> context_ = TransportContext::Create();
  Stores stores_;
  std::shared_ptr<WorkerModel> model_;
  ServedModel served_;
  std::unique_ptr<ZmqTransport> transport_;
  std::jthread reactor_;
  std::string store_endpoint_;
  std::string client_endpoint_;
  std::string worker_endpoint_;
  std::unique_ptr<RemoteStore> store_;

  // Created and destroyed on the reactor thread.
  std::unique_ptr<StoreServer> server_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<WorkerService> worker_;

  std::unique_ptr<Client> client_;
};

}  // namespace

WorkerSettings WorkerSettingsOf(const EmbeddedOptions& options) {
  WorkerSettings settings = DefaultSettings().worker;
  settings.model = options.model;
  settings.device = options.device;
  settings.dtype = options.dtype;
  settings.threads = options.threads;
  settings.store_compression = options.store_compression;
  settings.unit_cache_bytes = static_cast<int64_t>(options.unit_cache_bytes);
  settings.prefill_chunk_tokens = options.prefill_chunk_tokens;
  return settings;
}

Result<std::unique_ptr<EmbeddedSystem>> EmbeddedSystem::Start(const EmbeddedOptions& options) {
  auto system = std::make_unique<EmbeddedImpl>(options);
  PC_RETURN_IF_ERROR(system->StartAll());
  return std::unique_ptr<EmbeddedSystem>(std::move(system));
}

}  // namespace promptcache
