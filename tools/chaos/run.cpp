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
// Answers that are under way when a coordinator is lost under them.
constexpr size_t kAnswering = 4;

class ChaosRun {
 public:
  explicit ChaosRun(const RunOptions& options)
      : options_(options),
        topology_({.style = direct() ? LinkStyle::kDirect : LinkStyle::kProxied,
                   .network = direct() ? "10.77.0" : LoopbackNetwork()}),
        load_(topology_, Questions(), history_) {
    report_.seed = options.seed;
    report_.time = options.time;
    report_.pause = options.pause;
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
    PC_RETURN_IF_ERROR(LoseCoordinators());
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
    const std::vector<FaultGroup> groups = GroupsOf(topology_, hands_);
    for (const FaultGroup& group : groups) report_.permitted.insert(group.kind);
    Nemesis nemesis(hands_, PlanFaults({.seed = options_.seed,
                                        .time = options_.time,
                                        .pause = options_.pause,
                                        .lease = kLease},
                                       groups));
    troubled_.first = history_.size();
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
    troubled_.second = history_.size();
    PC_RETURN_IF_ERROR(WaitForQuiet("the last fault"));
    report_.healed_after = std::chrono::duration_cast<milliseconds>(SystemClock().Now() - healed);
    options_.progress("asking everything once more");
    const auto last = WhileTicking([this] { return load_.AskAll(); });
    if (!last.ok()) {
      report_.violations.push_back({"", "after the trouble: " + last.status().ToString()});
    }
    return {};
  }

  Status WaitForQuiet(const std::string& since) {
    const SteadyTime begin = SystemClock().Now();
    std::string unrest = watch_->Unrest();
    while (!unrest.empty() && SystemClock().Now() < begin + kQuietTimeout) {
      if (options_.stop_requested()) return Cancelled("stopped");
      processes_->Tick();
      std::this_thread::sleep_for(kTick);
      unrest = watch_->Unrest();
    }
    if (!unrest.empty()) {
      report_.violations.push_back(
          {"", fmt::format("{} s after {}: {}", kQuietTimeout.count() / 1'000, since, unrest)});
    }
    return {};
  }

  // One after the other, with nothing else wrong: whoever is asked then must answer.
  Status LoseCoordinators() {
    for (const Node& node : topology_.coordinators()) {
      options_.progress("losing " + node.name + " under requests that run");
      const Status answered = AskWhileLosing(node.name);
      if (options_.stop_requested()) return Cancelled("stopped");
      if (!answered.ok()) {
        report_.violations.push_back(
            {"", fmt::format("with {} lost and nothing else: {}", node.name, answered.ToString())});
      }
      PC_RETURN_IF_ERROR(WaitForQuiet("the loss of " + node.name));
    }
    return {};
  }

  Status AskWhileLosing(const std::string& coordinator) {
    auto asked = std::async(std::launch::async, [this] { return load_.AskAll().status(); });
    bool is_lost = false;
    while (asked.wait_for(kTick) != std::future_status::ready) {
      if (!is_lost && history_.answering() >= kAnswering) is_lost = processes_->Kill(coordinator);
      processes_->Tick();
    }
    const Status answered = asked.get();
    if (answered.ok() && !is_lost) return Internal("all was answered before it was lost");
    return answered;
  }

  ChaosReport Judge() {
    const std::vector<RequestRecord> records = history_.records();
    CountRequests(records, report_);
    report_.longest_stall = stalls_.longest();
    CountTroubled(std::span(records).subspan(troubled_.first, troubled_.second - troubled_.first),
                  report_);
    for (const auto& violations : {CheckHistory(records, expected_), CheckFloors(report_)}) {
      report_.violations.insert(report_.violations.end(), violations.begin(), violations.end());
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
  std::pair<size_t, size_t> troubled_;  // requests in the time of trouble: from, to
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
