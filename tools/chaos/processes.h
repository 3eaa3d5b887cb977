// The processes of the cluster: started, supervised, and hurt.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster/launch/supervisor.h"
#include "common/status.h"
#include "tools/chaos/engine_choice.h"
#include "tools/chaos/topology.h"

namespace promptcache::chaos {

struct ProcessOptions {
  std::string bin_directory;
  std::string directory;  // configurations, logs and stores; exists
  EngineChoice engine;
  // What stands before a process's command line, such as `env NAME=VALUE`.
  std::map<std::string, std::vector<std::string>> prefixes;
};

// Belongs to one thread, which must live as long as the processes shall.
class Processes {
 public:
  Processes(const Topology& topology, ProcessOptions options);
  ~Processes();

  // Returns when all serve. Asks `stop_requested` meanwhile: kCancelled.
  Status Start(const std::function<bool()>& stop_requested);
  // Restarts what has ended. Call often.
  void Tick();
  // Ends all in order. What does not end well by itself is among the `faults`.
  void Stop();

  // False when the process is not running just now.
  bool Kill(const std::string& name);
  bool Suspend(const std::string& name);
  void Resume(const std::string& name);
  pid_t pid(const std::string& name) const;  // 0: it is not running just now
  uint64_t restarts() const;

  // Ends that nobody caused: name and exit code.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  Status WriteConfig(const Node& node) const;
  ProcessCommand CommandOf(const Node& node) const;
  std::string File(const std::string& name) const { return options_.directory + "/" + name; }
  void LookForEnds();

  const Topology& topology_;
  const ProcessOptions options_;
  const std::unique_ptr<ProcessRunner> runner_;
  Supervisor supervisor_;
  std::map<std::string, uint32_t> killed_;  // by us
  std::map<std::string, uint32_t> seen_;    // ends that were looked at
  std::set<std::string> suspended_;
  std::vector<std::string> faults_;
};

// Leases in a cluster under chaos: short, so that a minute has many.
inline constexpr std::chrono::milliseconds kLease{1'000};

}  // namespace promptcache::chaos
