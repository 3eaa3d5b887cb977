#include "tools/chaos/attack_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/process.h"
#include "tools/bench/series.h"
#include "tools/chaos/load.h"
#include "tools/chaos/questions.h"
#include "tools/chaos/topology.h"
#include "tools/cli/table.h"

namespace promptcache::chaos {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kSeed = 1;
constexpr uint32_t kTokens = 8;
constexpr milliseconds kDeadline{10'000};

uint64_t ResidentBytesOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

AttackedCluster::AttackedCluster()
    : topology_({.stores = 1,
                 .coordinators = 1,
                 .workers = 1,
                 .clients = 1,
                 .style = LinkStyle::kDirect,
                 .network = LoopbackNetwork()}) {}

Result<std::unique_ptr<AttackedCluster>> AttackedCluster::Start(const std::string& bin_directory,
                                                                const std::string& directory,
                                                                const EngineChoice& engine) {
  std::unique_ptr<AttackedCluster> cluster(new AttackedCluster());
  cluster->processes_ = std::make_unique<Processes>(
      cluster->topology_,
      ProcessOptions{.bin_directory = bin_directory, .directory = directory, .engine = engine});
  PC_RETURN_IF_ERROR(cluster->processes_->Start([] { return false; }));
  PC_RETURN_IF_ERROR(cluster->Connect());
  return cluster;
}

Status AttackedCluster::Connect() {
  PC_ASSIGN_OR_RETURN(client_,
                      ConnectAs("good", topology_.CoordinatorsOf("client-1"), topology_.style()));
  for (const SchemaAdd& schema : Schemas()) PC_RETURN_IF_ERROR(client_->AddSchema(schema).status());
  return {};
}

std::vector<TcpAddress> AttackedCluster::ports() const {
  const Node& coordinator = topology_.coordinators().front();
  return {coordinator.At(kClientPort), coordinator.At(kWorkerPort),
          topology_.stores().front().At(kStorePort)};
}

uint64_t AttackedCluster::ResidentBytes() const {
  return ResidentBytesOf(processes_->pid("coordinator-1")) +
         ResidentBytesOf(processes_->pid("store-1"));
}

Result<uint64_t> AttackedCluster::BadFrames() {
  PC_ASSIGN_OR_RETURN(const StatusReply status, client_->GetStatus());
  return status.bad_frames;
}

Service AttackedCluster::Serve(milliseconds time) {
  Service service;
  struct Submit question = Questions().front();
  question.options = {.max_new_tokens = kTokens};
  Series times;
  const uint64_t before = ResidentBytes();
  const SteadyTime end = SystemClock().Now() + time;
  while (SystemClock().Now() < end) {
    const Answer answer = Timed<std::milli>(
        times, [&] { return client_->Submit(question, {.deadline = kDeadline}); });
    ++service.asked;
    if (!answer.status.ok() || answer.tokens().size() != kTokens) ++service.failed;
    service.grown_bytes = std::max(
        service.grown_bytes, static_cast<int64_t>(ResidentBytes()) - static_cast<int64_t>(before));
  }
  service.p50_ms = times.median();
  service.p99_ms = times.p99();
  return service;
}

Service AttackedCluster::ServeBeside(const Attack& attack, milliseconds time) {
  const double quiet_p99_ms = Serve(time).p99_ms;
  const uint64_t bad_before = BadFrames().ok() ? *BadFrames() : 0;
  const Attacker attacker(attack, ports(), kSeed);
  Service service = Serve(time);
  service.beside = attack.name;
  service.quiet_p99_ms = quiet_p99_ms;
  service.strikes = attacker.rounds();
  const auto bad = BadFrames();
  service.bad_frames = bad.ok() ? *bad - bad_before : 0;
  return service;
}

Service AttackedCluster::ServeBeside(size_t idle_connections, IdleStage stage, milliseconds time) {
  constexpr const char* kNames[] = {"idle, connected", "idle, handshaken", "idle, greeted"};
  const double quiet_p99_ms = Serve(time).p99_ms;
  const uint64_t before = ResidentBytes();
  const IdleCrowd crowd(ports().front(), idle_connections, stage);
  Service service = Serve(time);
  service.beside = kNames[static_cast<size_t>(stage)];
  service.quiet_p99_ms = quiet_p99_ms;
  service.strikes = crowd.size();
  service.grown_bytes = std::max(
      service.grown_bytes, static_cast<int64_t>(ResidentBytes()) - static_cast<int64_t>(before));
  return service;
}

Result<std::vector<Service>> RunAttacks(const AttackRunOptions& options) {
  const uint64_t open_files = RaiseOpenFiles();
  PC_ASSIGN_OR_RETURN(
      const auto cluster,
      AttackedCluster::Start(options.bin_directory, options.directory, options.engine));
  (void)cluster->Serve(options.each / 4);  // encodes what is not there yet
  std::vector<Service> services;
  for (const Attack& attack : Attacks()) {
    options.progress(attack.name);
    services.push_back(cluster->ServeBeside(attack, options.each));
  }
  if (open_files < options.idle_connections) {
    options.progress(fmt::format("only {} files may be open here", open_files));
  }
  for (const IdleStage stage :
       {IdleStage::kConnected, IdleStage::kHandshaken, IdleStage::kGreeted}) {
    options.progress("idle connections");
    services.push_back(cluster->ServeBeside(options.idle_connections, stage, options.each));
  }
  return services;
}

std::string RenderServices(const std::vector<Service>& services) {
  Table table({{"beside"},
               {"strikes", Align::kRight},
               {"asked", Align::kRight},
               {"failed", Align::kRight},
               {"p50", Align::kRight},
               {"p99", Align::kRight},
               {"quiet p99", Align::kRight},
               {"p99 / quiet", Align::kRight},
               {"memory", Align::kRight},
               {"bad frames", Align::kRight}});
  for (const Service& service : services) {
    table.AddRow({service.beside, std::to_string(service.strikes), std::to_string(service.asked),
                  std::to_string(service.failed), FormatMs(service.p50_ms),
                  FormatMs(service.p99_ms), FormatMs(service.quiet_p99_ms),
                  fmt::format("{:.2f}", service.p99_ms / service.quiet_p99_ms),
                  "+" + FormatBytes(static_cast<uint64_t>(service.grown_bytes)),
                  std::to_string(service.bad_frames)});
  }
  return table.Render();
}

nlohmann::json ServicesAsJson(const std::vector<Service>& services) {
  nlohmann::json json = nlohmann::json::array();
  for (const Service& service : services) {
    json.push_back({{"beside", service.beside},
                    {"strikes", service.strikes},
                    {"asked", service.asked},
                    {"failed", service.failed},
                    {"p50_ms", service.p50_ms},
                    {"p99_ms", service.p99_ms},
                    {"quiet_p99_ms", service.quiet_p99_ms},
                    {"p99_ratio", service.p99_ms / service.quiet_p99_ms},
                    {"grown_bytes", service.grown_bytes},
                    {"bad_frames", service.bad_frames}});
  }
  return json;
}

}  // namespace promptcache::chaos
