// A good client beside others that attack its cluster.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/client/client.h"
#include "common/status.h"
#include "tools/chaos/attacks.h"
#include "tools/chaos/engine_choice.h"
#include "tools/chaos/processes.h"

namespace promptcache::chaos {

// What a good client met with, and what it cost the processes.
struct Service {
  std::string beside;  // which attack
  uint64_t asked = 0;
  uint64_t failed = 0;
  double p50_ms = 0;  // from Submit to the end
  double p99_ms = 0;
  double quiet_p99_ms = 0;  // just before, beside nobody
  uint64_t strikes = 0;     // rounds of the attack, or idle connections
  int64_t grown_bytes = 0;  // resident memory of coordinator and store, from before to the most
  uint64_t bad_frames = 0;  // that the coordinator counted meanwhile
};

// One store, one coordinator, one worker and a good client, on addresses of their own.
class AttackedCluster {
 public:
  static Result<std::unique_ptr<AttackedCluster>> Start(const std::string& bin_directory,
                                                        const std::string& directory,
                                                        const EngineChoice& engine);

  // Asks again and again for so long.
  Service Serve(std::chrono::milliseconds time);
  // Likewise, beside nobody for as long before.
  Service ServeBeside(const Attack& attack, std::chrono::milliseconds time);
  Service ServeBeside(size_t idle_connections, IdleStage stage, std::chrono::milliseconds time);

  // Of clients, of workers, of the store.
  std::vector<TcpAddress> ports() const;
  Client& client() { return *client_; }
  Processes& processes() { return *processes_; }
  uint64_t ResidentBytes() const;
  Result<uint64_t> BadFrames();

 private:
  AttackedCluster();
  Status Connect();

  const Topology topology_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<Client> client_;
};

struct AttackRunOptions {
  std::string bin_directory;
  std::string directory;
  EngineChoice engine;
  std::chrono::milliseconds each{4'000};
  size_t idle_connections = 10'000;
  std::function<void(const std::string&)> progress;
};

// One of every attack, each with its own quiet time before: what a machine does is never the same
// for long.
Result<std::vector<Service>> RunAttacks(const AttackRunOptions& options);
std::string RenderServices(const std::vector<Service>& services);
nlohmann::json ServicesAsJson(const std::vector<Service>& services);

}  // namespace promptcache::chaos
