// A cachestore, a coordinator and workers, or some of them, as processes of this machine:
// `promptcache up`.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster/launch/supervisor.h"
#include "common/config.h"
#include "common/status.h"

namespace promptcache {

enum class ClusterPart : uint8_t { kStore, kCoordinator, kWorkers };

struct LocalClusterOptions {
  std::string bin_directory;  // where the programs lie
  std::string run_directory;  // logs, ready files and, unless configured, the store; created
  std::string config_file;    // handed to every process; may be empty
  Settings settings;          // endpoints (port * allowed), model, workers, ...
  // What is started here; the others are where the settings say.
  std::set<ClusterPart> parts{ClusterPart::kStore, ClusterPart::kCoordinator,
                              ClusterPart::kWorkers};
  std::string device_directory = "/dev";  // where GPUs are looked for
  // How long Start waits for a process until it says so.
  std::chrono::milliseconds say_waiting_after{5'000};
  // Optional, asked while Start waits: true ends it with kCancelled.
  std::function<bool()> stop_requested;
};

// Of the parts that run here; the others are empty.
struct ClusterEndpoints {
  std::string client;
  std::string worker;
  std::string store;
};

// Not thread safe: one thread starts it, ticks it and stops it.
class LocalCluster {
 public:
  // Starts the parts in order and returns when the coordinator serves and every worker has joined
  // one. Workers are called worker-1, ..., or worker-gpu0, ... by settings.cluster.gpus, with the
  // name of this machine before where the coordinator is elsewhere. They listen for metrics one
  // port after the other.
  // On failure all are stopped; the message names the process and ends with its log's last lines,
  // the code is what the process's exit code says.
  static Result<std::unique_ptr<LocalCluster>> Start(
      const LocalClusterOptions& options, const std::function<void(const std::string&)>& progress);
  virtual ~LocalCluster() = default;  // stops what still runs

  virtual const ClusterEndpoints& endpoints() const = 0;
  // Restarts what has died, until it dies again and again. Call often.
  virtual void Tick() = 0;
  virtual std::vector<SupervisedProcess> processes() const = 0;
  // Ends the workers, then the coordinator, then the cachestore: each may take half a minute to
  // finish before it is killed. A second call does nothing.
  virtual void Stop() = 0;
};

}  // namespace promptcache
