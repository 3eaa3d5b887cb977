#include "worker/service/worker_service.h"

#include <unistd.h>

#include <atomic>
#include <future>
#include <unordered_map>

#include "cluster/transport/connection.h"
#include "common/log.h"
#include "worker/engine/engine.h"
#include "worker/service/recipe_cache.h"
#include "worker/service/worker_model.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kMaxMessageBytes = uint64_t{64} << 20;
constexpr uint64_t kRecipeCacheTokens = 16 << 20;
constexpr milliseconds kReportEvery{200};
constexpr milliseconds kDefaultDeadline{600'000};

EngineOptions EngineOptionsOf(const WorkerSettings& settings) {
  return {.slots = static_cast<uint32_t>(settings.slots),
          .queue_limit = static_cast<uint32_t>(settings.queue_limit),
          .unit_cache_bytes = static_cast<uint64_t>(settings.unit_cache_bytes),
          .prefill_chunk_tokens = static_cast<uint32_t>(settings.prefill_chunk_tokens)};
}

class ServiceImpl : public WorkerService {
 public:
  ServiceImpl(WorkerDeps deps, const WorkerSettings& settings)
      : deps_(std::move(deps)), settings_(settings), recipes_(kRecipeCacheTokens) {}

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
                      .identity = model.identity()};
    engine.on_residency = [this](UnitCache::Changes changes) {
      PostHere([this, changes = std::move(changes)]() mutable { SendChanges(std::move(changes)); });
    };
    engine_ = Engine::Start(std::move(engine), EngineOptionsOf(settings_));

    ConnectionOptions options;
    options.connect = {.endpoint = settings_.coordinator_endpoint,
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
  // A plan whose recipes are being asked for.
  struct Waiting {
    Envelope envelope;
    SteadyTime received;
    std::vector<RecipeDigest> missing;
  };
  struct Active {
    uint32_t attempt = 0;
    uint32_t seq = 0;
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
    Send({.body =
              WorkerReady{.pid = static_cast<uint32_t>(::getpid()),
                          .model = deps_.model->name(),
                          .device = settings_.device,
                          .identity = deps_.model->identity(),
                          .context_length = deps_.model->context_length(),
                          .slots = static_cast<uint32_t>(settings_.slots),
                          .unit_limit_bytes = static_cast<uint64_t>(settings_.unit_cache_bytes)}});
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
    waiting_.clear();
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
    if (connection_->up()) {
      const EngineStats stats = engine_->stats();
      Send({.body = Heartbeat{.active = stats.active,
                              .queued = stats.queued,
                              .units = stats.units,
                              .unit_bytes = stats.unit_bytes,
                              .requests = stats.finished,
                              .prefill_tokens_per_s = stats.prefill_tokens_per_s}});
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
    if (const auto* reply = std::get_if<Reply>(&envelope.body)) {
      Log(LogLevel::kWarning, "the coordinator refused a message", {{"reason", reply->message}});
    }
  }

  void CancelReceived(const RequestId& id) {
    engine_->Cancel(id);
    waiting_.erase(id);
  }

  void RunReceived(const Envelope& envelope) {
    const Plan& plan = std::get<Run>(envelope.body).plan;
    Waiting waiting{.envelope = envelope, .received = SystemClock().Now()};
    for (const PlanUnit& unit : plan.units) {
      if (!recipes_.Find(unit.digest)) waiting.missing.push_back(unit.digest);
    }
    if (waiting.missing.empty()) return StartRequest(waiting);
    Send({.request_id = envelope.request_id, .body = RecipeQuery{waiting.missing}});
    waiting_.insert_or_assign(envelope.request_id, std::move(waiting));
  }

  void RecipesReceived(const RequestId& id, const RecipeReply& reply) {
    for (const Recipe& recipe : reply.recipes) {
      // The digest is computed here: a name is never taken on trust.
      if (recipe.Validate().ok()) {
        recipes_.Insert(recipe.Digest(), std::make_shared<const Recipe>(recipe));
      }
    }
    auto entry = waiting_.extract(id);
    if (!entry.empty()) StartRequest(entry.mapped());
  }

  void StartRequest(const Waiting& waiting) {
    const Envelope& envelope = waiting.envelope;
    const Run& run = std::get<Run>(envelope.body);
    EngineRequest request{
        .id = envelope.request_id,
        .plan = run.plan,
        .options = run.options,
        .received = waiting.received,
        .deadline = waiting.received +
                    (envelope.timeout_ms > 0
                         ? milliseconds(std::min<uint64_t>(envelope.timeout_ms, 86'400'000))
                         : kDefaultDeadline)};
    for (const PlanUnit& unit : run.plan.units) {
      auto recipe = recipes_.Find(unit.digest);
      if (!recipe) {
        return SendFinal(envelope.request_id, envelope.attempt,
                         FailedPrecondition("the recipe of '" + unit.path +
                                            "' is gone; register the schema again"),
                         {});
      }
      request.recipes.push_back(std::move(recipe));
    }
    request.events = EventsFor(envelope.request_id, envelope.attempt);
    active_[envelope.request_id] = {.attempt = envelope.attempt};
    const Status status = engine_->Submit(std::move(request));
    if (status.ok()) return;
    active_.erase(envelope.request_id);
    SendFinal(envelope.request_id, envelope.attempt, status, {});
  }

  RequestEvents EventsFor(const RequestId& id, uint32_t attempt) {
    return {
        .on_tokens =
            [this, id](std::vector<TokenId> tokens, std::string text) {
              PostHere([this, id, tokens = std::move(tokens), text = std::move(text)]() mutable {
                const auto found = active_.find(id);
                if (found == active_.end()) return;
                Send({.request_id = id,
                      .attempt = found->second.attempt,
                      .body = Partial{found->second.seq++, std::move(tokens), std::move(text)}});
              });
            },
        .on_final =
            [this, id, attempt](Status status, Usage usage) {
              PostHere([this, id, attempt, status = std::move(status),
                        usage = std::move(usage)]() mutable {
                if (active_.erase(id) > 0) SendFinal(id, attempt, status, std::move(usage));
              });
            }};
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
  std::unordered_map<RequestId, Waiting> waiting_;
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
