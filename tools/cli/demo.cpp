#include "tools/cli/demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "cluster/launch/local_cluster.h"
#include "tools/cli/commands.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/store/access.h"

namespace promptcache {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kPoll{20};

class Demo {
 public:
  Demo(const DemoOptions& options, const DemoEvents& events) : options_(options), events_(events) {}

  Result<DemoResult> Run() {
    PC_RETURN_IF_ERROR(StartCluster());
    PC_RETURN_IF_ERROR(Register("support-desk.xml"));
    PC_RETURN_IF_ERROR(Register("travel.xml"));
    const std::string prompt = "prompts/support-desk-refund.xml";
    PC_RETURN_IF_ERROR(Ask("no cache", prompt, ReuseMode::kFull));
    PC_RETURN_IF_ERROR(Ask("cold", prompt, ReuseMode::kReuse));
    PC_RETURN_IF_ERROR(Ask("warm", prompt, ReuseMode::kReuse));
    PC_RETURN_IF_ERROR(WaitCommitted());
    PC_RETURN_IF_ERROR(KillWorker());
    PC_RETURN_IF_ERROR(Ask("restarted", prompt, ReuseMode::kReuse));
    PC_RETURN_IF_ERROR(Ask("control", "prompts/travel-control.xml", ReuseMode::kReuse));
    Check();
    return std::move(result_);
  }

 private:
  Status StartCluster() {
    LocalClusterOptions cluster{.bin_directory = options_.bin_directory,
                                .run_directory = options_.run_directory,
                                .settings = DefaultSettings()};
    Settings& settings = cluster.settings;
    settings.coordinator.model = settings.worker.model = options_.model;
    settings.coordinator.client_endpoint = "tcp://127.0.0.1:*";
    settings.coordinator.worker_endpoint = "tcp://127.0.0.1:*";
    settings.store.endpoint = "tcp://127.0.0.1:*";
    settings.worker.dtype = options_.dtype;
    settings.cluster.workers = 2;
    PC_ASSIGN_OR_RETURN(cluster_, LocalCluster::Start(cluster, events_.on_step));
    PC_ASSIGN_OR_RETURN(
        client_, Client::Connect({.endpoints = {cluster_->endpoints().client}, .name = "demo"}));
    return {};
  }

  std::string Example(const std::string& name) const {
    return options_.example_directory + "/" + name;
  }

  Status Register(const std::string& file) {
    PC_ASSIGN_OR_RETURN(const SchemaAdd add, ReadSchemaAdd({.file = Example(file)}));
    PC_ASSIGN_OR_RETURN(const SchemaInfo info, client_->AddSchema(add));
    events_.on_step(
        fmt::format("registered {}: {} positions in {} units", info.name, info.tokens, info.units));
    return {};
  }

  Status Ask(const std::string& name, const std::string& file, ReuseMode reuse) {
    events_.on_step("asking: " + name);
    struct Submit request {
      .reuse = reuse
    };
    PC_ASSIGN_OR_RETURN(request.prompt, ReadInput(Example(file)));
    request.options.max_new_tokens = options_.max_new_tokens;
    Answer answer = client_->Submit(
        request, {}, [this](const Partial& partial) { events_.on_text(partial.text); });
    events_.on_text("\n");
    PC_RETURN_IF_ERROR(answer.status.WithContext("the run '" + name + "'"));
    result_.runs.push_back({name, std::move(answer)});
    return {};
  }

  const Answer& AnswerOf(const std::string& name) const {
    const auto found = std::find_if(result_.runs.begin(), result_.runs.end(),
                                    [&](const DemoRun& run) { return run.name == name; });
    return found->answer;
  }

  // Until `done`, keeping the cluster alive. kDeadlineExceeded naming what was waited for.
  Status WaitFor(const std::string& what, const std::function<Result<bool>()>& done) {
    const SteadyTime give_up = SystemClock().Now() + kPatience;
    while (SystemClock().Now() < give_up) {
      cluster_->Tick();
      PC_ASSIGN_OR_RETURN(const bool is_done, done());
      if (is_done) return {};
      std::this_thread::sleep_for(kPoll);
    }
    return DeadlineExceeded("waited a minute for " + what);
  }

  Result<WorkerStatus> StatusOfWorker(const std::string& name) {
    PC_ASSIGN_OR_RETURN(const StatusReply status, client_->GetStatus());
    for (const WorkerStatus& worker : status.workers) {
      if (worker.name == name && worker.live) return worker;
    }
    return WorkerStatus{};
  }

  Status WaitCommitted() {
    events_.on_step("waiting until the store says that every unit is committed");
    const Usage& usage = AnswerOf("cold").usage;
    PC_ASSIGN_OR_RETURN(const WorkerStatus worker, StatusOfWorker(usage.worker));
    std::vector<UnitKey> keys;
    for (const UnitUsage& unit : usage.units) {
      keys.push_back(MakeUnitKey(worker.identity.Digest(), 0, unit.digest));
    }
    PC_ASSIGN_OR_RETURN(const auto store,
                        OpenStoreAccess(CommandContext(), {.endpoint = cluster_->endpoints().store},
                                        OpenFor::kLooking));
    return WaitFor("the units to be committed", [&]() -> Result<bool> {
      PC_ASSIGN_OR_RETURN(const auto present, store->blobs().Contains(keys));
      return std::all_of(present.begin(), present.end(), [](bool one) { return one; });
    });
  }

  Status KillWorker() {
    const std::string name = AnswerOf("warm").usage.worker;
    PC_ASSIGN_OR_RETURN(const WorkerStatus worker, StatusOfWorker(name));
    events_.on_step(
        fmt::format("killing {} (pid {}) and waiting for its restart", name, worker.pid));
    ::kill(static_cast<pid_t>(worker.pid), SIGKILL);
    return WaitFor(name + " to come back", [&]() -> Result<bool> {
      PC_ASSIGN_OR_RETURN(const WorkerStatus now, StatusOfWorker(name));
      return now.pid != 0 && now.pid != worker.pid;
    });
  }

  void Expect(bool holds, const std::string& what) {
    if (!holds) result_.failures.push_back(what);
  }

  void ExpectSource(const std::string& run, Source source) {
    const Usage& usage = AnswerOf(run).usage;
    Expect(!usage.units.empty(), "the run '" + run + "' used no unit");
    for (const UnitUsage& unit : usage.units) {
      Expect(unit.source == source,
             fmt::format("the run '{}' took {} from {}, not {} {}", run, unit.path,
                         SourceName(unit.source), SourceName(source), unit.miss_reason));
    }
  }

  void Check() {
    Expect(AnswerOf("no cache").usage.units.empty(), "the run 'no cache' used units");
    ExpectSource("cold", Source::kEncoded);
    ExpectSource("warm", Source::kDevice);
    ExpectSource("restarted", Source::kDisk);
    ExpectSource("control", Source::kEncoded);
    Expect(AnswerOf("control").usage.reused_tokens == 0, "the control run reused tokens");
    Expect(AnswerOf("warm").usage.worker == AnswerOf("cold").usage.worker,
           "the warm run went to another worker than the cold one");
    Expect(AnswerOf("warm").tokens() == AnswerOf("cold").tokens(),
           "the warm answer differs from the cold one");
    Expect(AnswerOf("restarted").tokens() == AnswerOf("cold").tokens(),
           "the answer from the store differs from the cold one");
    Expect(!AnswerOf("cold").tokens().empty(), "the answer is empty");
  }

  const DemoOptions& options_;
  const DemoEvents& events_;
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<Client> client_;
  DemoResult result_;
};

}  // namespace

Result<DemoResult> RunDemo(const DemoOptions& options, const DemoEvents& events) {
  return Demo(options, events).Run();
}

}  // namespace promptcache
