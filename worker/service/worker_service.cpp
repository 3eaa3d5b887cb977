#include "worker/service/worker_service.h"

#include <atomic>
#include <future>
#include <unordered_map>

#include "cluster/transport/connection.h"
#include "common/log.h"
#include "worker/engine/engine.h"
#include "worker/service/recipe_cache.h"
#include "worker/service/reports.h"
#include "worker/service/waiting_runs.h"
#include "worker/service/worker_model.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kMaxMessageBytes = uint64_t{64} << 20;
constexpr uint64_t kRecipeCacheTokens = 16 << 20;
constexpr milliseconds kReportEvery{200};
constexpr milliseconds kDefaultDeadline{600'000};
constexpr uint64_t kLongestTimeoutMs = 86'400'000;

class ServiceImpl : public WorkerService {
 public:
  ServiceImpl(WorkerDeps deps, const WorkerSettings& settings)
      : deps_(std::move(deps)),
        settings_(settings),
        recipes_(kRecipeCacheTokens),
        waiting_(static_cast<size_t>(settings.queue_limit)) {}

  ~ServiceImpl() override {
    alive_->store(false);
    deps_.transport->CancelTimer(report_);
    connection_->Stop();
  }

  Status Start() {
    auto& model = static_cast<WorkerModelImpl&>(*deps_.model);
    EngineDeps engine{.model = model.loaded.model.get(),
                      .tokenizer = model.loaded_tokenizer.get(),
                      .store = deps_.store,
                      .format = {model.identity(), model.encoding}};
    engine.on_residency = [this](UnitCache::Changes changes) {
      PostHere([this, changes = std::move(changes)]() mutable { SendChanges(std::move(changes)); });
    };
    engine_ = Engine::Start(std::move(engine), EngineOptionsOf(settings_));

    ConnectionOptions options;
    options.connect = {.endpoint = settings_.coordinator_endpoints.front(),
                       .max_message_bytes = kMaxMessageBytes};
    options.hello = {
        .role = PeerRole::kWorker,
        .name = settings_.name,
        .epoch = static_cast<uint64_t>(SystemClock().Now().time_since_epoch().count())};
    connection_ = std::make_unique<Connection>(
        *deps_.transport, options,
        ConnectionEvents{.on_up = [this](const HelloAck& /*ack*/) { LinkUp(); },
                         .on_down = [this](const Status& why) { LinkDown(why); },
                         .on_message = [this](const Envelope& envelope,
                                              const Frame& /*payload*/) { Receive(envelope); }});
    PC_RETURN_IF_ERROR(connection_->Start());
    Report();
    return {};
  }

  void Drain() override {
    std::promise<std::unique_ptr<Engine>> handed_over;
    deps_.transport->Post([this, &handed_over] {
      deps_.transport->CancelTimer(report_);
      connection_->Stop();
      handed_over.set_value(std::move(engine_));
    });
    handed_over.get_future().get().reset();
  }

  void OnReady(std::function<void()> ready) override { on_ready_ = std::move(ready); }

 private:
  struct Active {
    uint32_t attempt = 0;
    uint32_t seq = 0;
    Status broken;  // why a part of the answer could not be sent
  };

  // Runs on the reactor thread unless the service has gone meanwhile.
  void PostHere(std::function<void()> function) {
    deps_.transport->Post([alive = alive_, function = std::move(function)] {
      if (alive->load()) function();
    });
  }

  // A failed send means the link is going down; its loss ends every request.
  void Send(const Envelope& envelope) { (void)connection_->Send(envelope).ok(); }

  // ---- the link ----

  void LinkUp() {
    Send({.body = ReadyOf(*deps_.model, settings_)});
    SendSnapshot();
    if (on_ready_) on_ready_();
  }

  void LinkDown(const Status& why) {
    if (!active_.empty()) {
      Log(LogLevel::kWarning, "coordinator lost; cancelling its requests",
          {{"requests", active_.size()}, {"reason", why.message()}});
    }
    for (const auto& [id, active] : active_) engine_->Cancel(id);
    active_.clear();
    waiting_.Clear();
    synced_ = false;
  }

  void SendSnapshot() {
    synced_ = false;
    engine_->Snapshot([this](std::vector<UnitKey> keys) {
      PostHere([this, keys = std::move(keys)]() mutable {
        synced_ = true;
        Send({.body =
                  Residency{.seq = ++residency_seq_, .snapshot = true, .added = std::move(keys)}});
      });
    });
  }

  void SendChanges(UnitCache::Changes changes) {
    if (!synced_ || !connection_->up()) return;  // the next snapshot has them
    Send({.body = Residency{.seq = ++residency_seq_,
                            .added = std::move(changes.added),
                            .removed = std::move(changes.removed)}});
  }

  void Report() {
    if (connection_->up()) Send({.body = HeartbeatOf(engine_->stats())});
    for (const WaitingRun& run : waiting_.TakeLate(SystemClock().Now())) {
      Refuse(run.envelope, DeadlineExceeded("the deadline passed while recipes were asked for"));
    }
    report_ = deps_.transport->After(kReportEvery, [this] { Report(); });
  }

  // ---- messages ----

  void Receive(const Envelope& envelope) {
    if (std::holds_alternative<Run>(envelope.body)) return RunReceived(envelope);
    if (std::holds_alternative<Cancel>(envelope.body)) return CancelReceived(envelope.request_id);
    if (const auto* reply = std::get_if<RecipeReply>(&envelope.body)) {
      return RecipesReceived(envelope.request_id, *reply);
    }
    if (std::holds_alternative<ResidencyResync>(envelope.body)) return SendSnapshot();
    if (const auto* drop = std::get_if<UnitsDrop>(&envelope.body)) {
      return DropUnits(envelope.request_id, drop->keys);
    }
    if (const auto* reply = std::get_if<Reply>(&envelope.body)) ReplyReceived(envelope, *reply);
  }

  void DropUnits(const RequestId& id, const std::vector<UnitKey>& keys) {
    engine_->Drop(keys, [this, id](const UnitCache::Removed& removed) {
      PostHere([this, id, removed] {
        Send({.request_id = id,
              .body = UnitsDropped{{{settings_.name, removed.units, removed.held}}}});
      });
    });
  }

  void ReplyReceived(const Envelope& envelope, const Reply& reply) {
    Log(LogLevel::kWarning, "the coordinator refused a message", {{"reason", reply.message}});
    const auto run = waiting_.Take(envelope.request_id);
    if (!run) return;
    Refuse(run->envelope, FailedPrecondition("no recipes: " + reply.message));
  }

  void CancelReceived(const RequestId& id) {
    engine_->Cancel(id);
    if (const auto run = waiting_.Take(id)) Refuse(run->envelope, Cancelled("cancelled"));
  }

  void RunReceived(const Envelope& envelope) {
    const auto found = active_.find(envelope.request_id);
    if (found != active_.end()) {
      if (envelope.attempt <= found->second.attempt) {
        Log(LogLevel::kWarning, "a run that is running came again; ignored",
            {{"request", envelope.request_id.ToHex()}});
        return;
      }
      engine_->Cancel(envelope.request_id);  // a newer attempt takes its place
      active_.erase(found);
    }
    (void)waiting_.Take(envelope.request_id);
    const SteadyTime now = SystemClock().Now();
    const milliseconds timeout(std::min<uint64_t>(envelope.timeout_ms, kLongestTimeoutMs));
    WaitingRun run{.envelope = envelope,
                   .received = now,
                   .deadline = now + (timeout.count() > 0 ? timeout : kDefaultDeadline)};
    std::vector<RecipeDigest> missing;
    for (const PlanUnit& unit : std::get<Run>(envelope.body).plan.units) {
      if (!recipes_.Find(unit.digest)) missing.push_back(unit.digest);
    }
    if (missing.empty()) return StartRequest(run);
    if (waiting_.full()) return Refuse(envelope, Busy("too many requests wait for recipes"));
    waiting_.Add(std::move(run));
    Send({.request_id = envelope.request_id, .body = RecipeQuery{std::move(missing)}});
  }

  void RecipesReceived(const RequestId& id, const RecipeReply& reply) {
    for (const Recipe& recipe : reply.recipes) {
      // The digest is computed here: a name is never taken on trust.
      auto known = MakeKnownRecipe(recipe);
      if (known.ok()) recipes_.Insert(std::move(*known));
    }
    if (const auto run = waiting_.Take(id)) StartRequest(*run);
  }

  void StartRequest(const WaitingRun& waiting) {
    const Envelope& envelope = waiting.envelope;
    const Run& run = std::get<Run>(envelope.body);
    EngineRequest request{.id = envelope.request_id,
                          .plan = run.plan,
                          .schema = run.schema,
                          .version = run.version,
                          .options = run.options,
                          .received = waiting.received,
                          .deadline = waiting.deadline,
                          .events = EventsFor(envelope.request_id, envelope.attempt)};
    for (const PlanUnit& unit : run.plan.units) {
      auto recipe = recipes_.Find(unit.digest);
      if (!recipe) {
        return Refuse(envelope, FailedPrecondition("the recipe of '" + unit.path +
                                                   "' is gone; register the schema again"));
      }
      request.recipes.push_back(std::move(recipe));
    }
    const Status status = engine_->Submit(std::move(request));
    if (!status.ok()) return Refuse(envelope, status);
    active_[envelope.request_id] = {.attempt = envelope.attempt};
  }

  // Events come back to this thread, where their request may have ended or be another attempt.
  RequestEvents EventsFor(const RequestId& id, uint32_t attempt) {
    return {.on_part =
                [this, id, attempt](AnswerPart part) {
                  PostHere([this, id, attempt, part = std::move(part)]() mutable {
                    SendPartial(id, attempt, std::move(part));
                  });
                },
            .on_final =
                [this, id, attempt](Status status, Usage usage) {
                  PostHere([this, id, attempt, status = std::move(status),
                            usage = std::move(usage)]() mutable {
                    EndRequest(id, attempt, status, std::move(usage));
                  });
                }};
  }

  void SendPartial(const RequestId& id, uint32_t attempt, AnswerPart part) {
    const auto found = active_.find(id);
    if (found == active_.end() || found->second.attempt != attempt) return;
    Active& active = found->second;
    if (!active.broken.ok()) return;
    active.broken = connection_->Send({.request_id = id,
                                       .attempt = attempt,
                                       .body = Partial{.seq = active.seq++,
                                                       .tokens = std::move(part.tokens),
                                                       .text = std::move(part.text),
                                                       .sample = part.sample,
                                                       .logprobs = std::move(part.logprobs)}});
    if (!active.broken.ok()) engine_->Cancel(id);  // an answer with a hole is no answer
  }

  void EndRequest(const RequestId& id, uint32_t attempt, const Status& status, Usage usage) {
    const auto found = active_.find(id);
    if (found == active_.end() || found->second.attempt != attempt) return;
    const Status broken = found->second.broken;
    active_.erase(found);
    SendFinal(id, attempt, broken.ok() ? status : Unavailable(broken.message()), std::move(usage));
  }

  void Refuse(const Envelope& run, const Status& status) {
    SendFinal(run.request_id, run.attempt, status, {});
  }

  void SendFinal(const RequestId& id, uint32_t attempt, const Status& status, Usage usage) {
    usage.worker = settings_.name;
    Send({.request_id = id,
          .attempt = attempt,
          .body = Final{status.code(), status.message(), std::move(usage)}});
  }

  // Constant after construction.
  const WorkerDeps deps_;
  const WorkerSettings settings_;
  const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);

  // Owned by the reactor thread.
  RecipeCache recipes_;
  WaitingRuns waiting_;
  std::unordered_map<RequestId, Active> active_;
  std::function<void()> on_ready_;
  uint64_t residency_seq_ = 0;
  bool synced_ = false;
  TimerId report_ = 0;
  std::unique_ptr<Connection> connection_;

  // Its thread posts to the reactor; last, so that it ends first.
  std::unique_ptr<Engine> engine_;
};

}  // namespace

Result<std::unique_ptr<WorkerService>> WorkerService::Start(WorkerDeps deps,
                                                            const WorkerSettings& settings) {
  auto service = std::make_unique<ServiceImpl>(std::move(deps), settings);
  PC_RETURN_IF_ERROR(service->Start());
  return std::unique_ptr<WorkerService>(std::move(service));
}

}  // namespace promptcache
