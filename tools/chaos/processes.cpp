#include "tools/chaos/processes.h"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "common/process.h"

namespace promptcache::chaos {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kReadyTimeout{120};
constexpr milliseconds kPoll{10};
constexpr int kKilled = 128 + SIGKILL;

enum Stage { kStoreStage, kCoordinatorStage, kWorkerStage };

bool Is(const Node& node, const char* kind) { return node.name.starts_with(kind); }

Stage StageOf(const Node& node) {
  if (Is(node, "store")) return kStoreStage;
  return Is(node, "coordinator") ? kCoordinatorStage : kWorkerStage;
}

std::string Quoted(const std::string& text) { return '"' + text + '"'; }

std::string QuotedList(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + Quoted(text);
  return "[" + list + "]";
}

}  // namespace

Processes::Processes(const Topology& topology, ProcessOptions options)
    : topology_(topology),
      options_(std::move(options)),
      runner_(MakeProcessRunner()),
      // Killed again and again is no reason to give up here.
      supervisor_(*runner_, SystemClock(),
                  {.max_backoff = milliseconds(1'500), .max_failures = 1'000'000}) {}

Processes::~Processes() { Stop(); }

Status Processes::WriteConfig(const Node& node) const {
  std::string text = fmt::format(
      "[log]\nformat = \"json\"\n[security]\nallow_plaintext = {}\n"
      "[coordinator]\nheartbeat_ms = {}\nlease_ms = {}\nworker_wait_ms = 5000\nmodel = {}\n",
      topology_.style() == LinkStyle::kDirect, kLease.count() / 5, kLease.count(),
      Quoted(options_.engine.model));
  if (Is(node, "coordinator")) {
    text +=
        fmt::format("client_endpoint = {}\nworker_endpoint = {}\nstore_endpoint = {}\n",
                    Quoted(node.At(kClientPort).endpoint()),
                    Quoted(node.At(kWorkerPort).endpoint()), Quoted(topology_.StoreOf(node.name)));
  } else if (Is(node, "store")) {
    text += fmt::format(
        "[store]\nendpoint = {}\ndirectory = {}\nmeta = {}\nmin_free_bytes = {}\n"
        "transfer_idle_ms = 2000\n",
        Quoted(node.At(kStorePort).endpoint()), Quoted(File(node.name)),
        node.name == topology_.stores().front().name, 8 << 20);
  } else {
    // A cache too small for all units, so that they come from the store again and again.
    text += fmt::format(
        "[worker]\nname = {}\nmodel = {}\ndtype = \"fp32\"\nthreads = 1\nslots = 8\n"
        "unit_cache_bytes = {}\nstore_timeout_ms = 1000\ncoordinator_endpoints = {}\n"
        "store_endpoint = {}\n",
        Quoted(node.name), Quoted(options_.engine.model), 8 << 20,
        QuotedList(topology_.CoordinatorsOf(node.name)), Quoted(topology_.StoreOf(node.name)));
  }
  return WriteFileAtomically(File(node.name + ".toml"), text);
}

ProcessCommand Processes::CommandOf(const Node& node) const {
  ProcessCommand command{.log_file = File(node.name + ".log")};
  const auto prefix = options_.prefixes.find(node.name);
  if (prefix != options_.prefixes.end()) command.argv = prefix->second;
  const std::string program = Is(node, "store")         ? "promptcache-cachestore"
                              : Is(node, "coordinator") ? "promptcache-coordinator"
                                                        : options_.engine.worker_program;
  command.argv.insert(command.argv.end(),
                      {options_.bin_directory + "/" + program, "--config",
                       File(node.name + ".toml"), "--ready-file", File(node.name + ".ready")});
  if (Is(node, "worker")) {
    command.argv.insert(command.argv.end(), options_.engine.worker_flags.begin(),
                        options_.engine.worker_flags.end());
  }
  return command;
}

Status Processes::Start(const std::function<bool()>& stop_requested) {
  for (const Node& node : topology_.processes()) {
    PC_RETURN_IF_ERROR(WriteConfig(node));
    PC_RETURN_IF_ERROR(supervisor_.Add(node.name, StageOf(node), CommandOf(node)));
  }
  const SteadyTime give_up = SystemClock().Now() + kReadyTimeout;
  for (const Node& node : topology_.processes()) {
    while (!fs::exists(File(node.name + ".ready"))) {
      if (stop_requested()) return Cancelled("stopped");
      if (SystemClock().Now() > give_up || !faults_.empty()) {
        return Unavailable(node.name + " does not serve; see " + File(node.name + ".log"));
      }
      Tick();
      std::this_thread::sleep_for(kPoll);
    }
  }
  return {};
}

void Processes::Tick() {
  supervisor_.Tick([](const std::string&) {});
  LookForEnds();
}

void Processes::LookForEnds() {
  for (const SupervisedProcess& process : supervisor_.processes()) {
    // A process that waits for its restart has ended once more than it was restarted.
    const uint32_t ends = process.restarts + (process.pid == 0 ? 1 : 0);
    uint32_t& seen = seen_[process.name];
    if (ends <= seen) continue;
    seen = ends;
    if (process.last_exit == kKilled && killed_[process.name] > 0) {
      --killed_[process.name];
      continue;
    }
    faults_.push_back(fmt::format("{} ended by itself with {}; see {}", process.name,
                                  process.last_exit, File(process.name + ".log")));
  }
}

void Processes::Stop() {
  for (const std::string& name : std::set<std::string>(suspended_)) Resume(name);
  supervisor_.BeginStop();
  while (!supervisor_.done()) {
    supervisor_.Tick([this](const std::string& event) {
      if (event.find("did not end when asked") != std::string::npos) faults_.push_back(event);
    });
    std::this_thread::sleep_for(kPoll);
  }
  for (const SupervisedProcess& process : supervisor_.processes()) {
    if (process.last_exit == 0 || process.last_exit == kKilled) continue;
    faults_.push_back(fmt::format("{}, asked to end, ended with {}; see {}", process.name,
                                  process.last_exit, File(process.name + ".log")));
  }
}

pid_t Processes::pid(const std::string& name) const {
  for (const SupervisedProcess& process : supervisor_.processes()) {
    if (process.name == name) return process.pid;
  }
  return 0;
}

bool Processes::Kill(const std::string& name) {
  const pid_t victim = pid(name);
  if (victim == 0) return false;
  ++killed_[name];
  runner_->Kill(victim);
  return true;
}

bool Processes::Suspend(const std::string& name) {
  const pid_t victim = pid(name);
  if (victim == 0) return false;
  ::kill(victim, SIGSTOP);
  suspended_.insert(name);
  return true;
}

void Processes::Resume(const std::string& name) {
  if (suspended_.erase(name) == 0) return;
  const pid_t sleeper = pid(name);
  if (sleeper != 0) ::kill(sleeper, SIGCONT);
}

uint64_t Processes::restarts() const {
  uint64_t restarts = 0;
  for (const SupervisedProcess& process : supervisor_.processes()) restarts += process.restarts;
  return restarts;
}

}  // namespace promptcache::chaos
