#include "tools/chaos/run.h"

#include <fmt/format.h>

#include <future>
#include <thread>

#include "tools/chaos/load.h"
#include "tools/chaos/nemesis.h"
#include "tools/chaos/processes.h"
#include "tools/chaos/questions.h"
#include "tools/chaos/stall_watch.h"
#include "tools/chaos/status_watch.h"

namespace promptcache::chaos {
namespace {

constexpr milliseconds kTick{5};
// Workers run requests of a lost coordinator on for 30 s.
constexpr milliseconds kQuietTimeout{60'000};

class ChaosRun {
 public:
  explicit ChaosRun(const RunOptions& options)
      : options_(options),
        topology_({.style = direct() ? LinkStyle::kDirect : LinkStyle::kProxied,
                   .network = direct() ? "10.77.0" : LoopbackNetwork()}),
        load_(topology_, Questions(), history_) {
    report_.seed = options.seed;
    report_.time = options.time;
  }

  Result<ChaosReport> Run() {
    PC_RETURN_IF_ERROR(PrepareHands());
    Processes processes(topology_, ProcessOptionsOf());
    hands_.processes = processes_ = &processes;
    options_.progress("starting the cluster");
    PC_RETURN_IF_ERROR(processes.Start(options_.stop_requested));
    options_.progress("asking everything once, quietly");
    PC_RETURN_IF_ERROR(AskQuietly());
    PC_RETURN_IF_ERROR(MakeTrouble());
    PC_RETURN_IF_ERROR(ComeToRest());
    report_.resumed = watch_->resumed();
    watch_.reset();
    processes.Stop();
    for (const std::string& fault : processes.faults()) report_.violations.push_back({"", fault});
    report_.restarts = processes.restarts();
    return Judge();
  }

 private:
  bool direct() const {
    return options_.network == NetworkUse::kNamespaces && options_.sandbox.ok();
  }

  void NotPermitted(const std::string& what, const Status& why) {
    report_.not_permitted.emplace_back(what, why.message());
  }

  Status PrepareHands() {
    if (options_.network == NetworkUse::kNamespaces && !direct()) {
      NotPermitted("network namespaces", options_.sandbox);
    }
    if (direct()) {
      PC_ASSIGN_OR_RETURN(namespaces_, Namespaces::Create(topology_));
      if (!namespaces_->slowness().ok()) NotPermitted("slow links", namespaces_->slowness());
    } else {
      PC_ASSIGN_OR_RETURN(proxies_, LinkProxies::Start(topology_.links()));
    }
    hands_.namespaces = namespaces_.get();
    hands_.proxies = proxies_.get();
    hands_.links = LinkSets(topology_);
    PrepareDisks();
    PrepareClocks();
    return {};
  }

  void PrepareDisks() {
    if (!options_.sandbox.ok()) return NotPermitted("full disks", options_.sandbox);
    for (const Node& node : topology_.stores()) {
      auto disk = SmallDisk::Mount(options_.directory + "/" + node.name);
      if (!disk.ok()) return NotPermitted("full disks", disk.status());
      hands_.disks[node.name] = *std::move(disk);
    }
  }

  void PrepareClocks() {
    for (const auto* nodes :
         {&topology_.stores(), &topology_.coordinators(), &topology_.workers()}) {
      const std::string& name = nodes->front().name;
      auto clock = FalseClock::Create(options_.bin_directory + "/libpromptcache_false_clock.so",
                                      options_.directory + "/" + name + ".clock");
      if (!clock.ok()) return NotPermitted("clock steps", clock.status());
      hands_.clocks[name] = *std::move(clock);
    }
  }

  ProcessOptions ProcessOptionsOf() const {
    ProcessOptions options{.bin_directory = options_.bin_directory,
                           .directory = options_.directory,
                           .engine = options_.engine};
    for (const Node& node : topology_.processes()) {
      std::vector<std::string>& prefix = options.prefixes[node.name];
      if (namespaces_ != nullptr) prefix = namespaces_->prefix(node.name);
      const auto clock = hands_.clocks.find(node.name);
      if (clock == hands_.clocks.end()) continue;
      const std::vector<std::string> words = clock->second->prefix();
      prefix.insert(prefix.end(), words.begin(), words.end());
    }
    return options;
  }

  // Runs it on another thread and keeps the processes alive meanwhile.
  template <typename Function>
  auto WhileTicking(Function function) {
    auto result = std::async(std::launch::async, std::move(function));
    while (result.wait_for(kTick) != std::future_status::ready) processes_->Tick();
    return result.get();
  }

  Status RegisterSchemas() {
    for (const Node& node : topology_.coordinators()) {
      PC_ASSIGN_OR_RETURN(
          const auto client,
          ConnectAs("registrar", {node.At(kClientPort).endpoint()}, topology_.style()));
      for (const SchemaAdd& schema : Schemas()) {
        PC_RETURN_IF_ERROR(client->AddSchema(schema).status());
      }
    }
    return {};
  }

  Status AskQuietly() {
    return WhileTicking([this]() -> Status {
      PC_RETURN_IF_ERROR(RegisterSchemas());
      PC_RETURN_IF_ERROR(load_.Connect());
      PC_ASSIGN_OR_RETURN(expected_, load_.AskAll());
      PC_ASSIGN_OR_RETURN(watch_, StatusWatch::Start(topology_));
      return {};
    });
  }

  Status MakeTrouble() {
    options_.progress(fmt::format("{} s of trouble", options_.time.count()));
    Nemesis nemesis(hands_, PlanFaults({.seed = options_.seed,
                                        .time = options_.time,
                                        .pause = options_.pause,
                                        .lease = kLease},
                                       GroupsOf(topology_, hands_)));
    load_.Begin(options_.seed);
    const SteadyTime begin = SystemClock().Now();
    for (SteadyTime now = begin; now < begin + options_.time; now = SystemClock().Now()) {
      if (options_.stop_requested()) break;
      nemesis.Tick(std::chrono::duration_cast<milliseconds>(now - begin));
      processes_->Tick();
      std::this_thread::sleep_for(kTick);
    }
    nemesis.Heal();
    report_.injected = nemesis.injected();
    return options_.stop_requested() ? Cancelled("stopped") : Status();
  }

  Status ComeToRest() {
    options_.progress("the trouble is over; waiting until all is quiet");
    const SteadyTime healed = SystemClock().Now();
    WhileTicking([this] {
      load_.Finish();
      return 0;
    });
    std::string unrest = watch_->Unrest();
    while (!unrest.empty() && SystemClock().Now() < healed + kQuietTimeout) {
      if (options_.stop_requested()) return Cancelled("stopped");
      processes_->Tick();
      std::this_thread::sleep_for(kTick);
      unrest = watch_->Unrest();
    }
    report_.healed_after = std::chrono::duration_cast<milliseconds>(SystemClock().Now() - healed);
    if (!unrest.empty()) {
      report_.violations.push_back({"", fmt::format("{} s after the last fault: {}",
                                                    kQuietTimeout.count() / 1'000, unrest)});
    }
    options_.progress("asking everything once more");
    const auto last = WhileTicking([this] { return load_.AskAll(); });
    if (!last.ok()) {
      report_.violations.push_back({"", "after the trouble: " + last.status().ToString()});
    }
    return {};
  }

  ChaosReport Judge() {
    const std::vector<RequestRecord> records = history_.records();
    CountRequests(records, report_);
    report_.longest_stall = stalls_.longest();
    for (const Violation& violation : CheckHistory(records, expected_)) {
      report_.violations.push_back(violation);
    }
    const Status written = WriteHistory(records, options_.directory + "/history.jsonl");
    if (!written.ok()) report_.violations.push_back({"", written.message()});
    return report_;
  }

  const RunOptions& options_;
  const Topology topology_;
  ChaosReport report_;
  History history_;
  Expected expected_;
  std::unique_ptr<Namespaces> namespaces_;
  std::unique_ptr<LinkProxies> proxies_;
  Hands hands_;
  Processes* processes_ = nullptr;
  Load load_;
  const StallWatch stalls_;
  std::unique_ptr<StatusWatch> watch_;
};

}  // namespace

Result<ChaosReport> RunChaos(const RunOptions& options) { return ChaosRun(options).Run(); }

}  // namespace promptcache::chaos
