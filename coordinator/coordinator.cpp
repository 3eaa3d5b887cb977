#include "coordinator/coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "cluster/transport/peer_table.h"
#include "common/log.h"
#include "coordinator/batch/batch_desk.h"
#include "coordinator/coordinator_metrics.h"
#include "coordinator/operator_desk.h"
#include "coordinator/prompt_planner.h"
#include "coordinator/reply.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/schema_desk.h"
#include "coordinator/session/session.h"
#include "coordinator/warm_plan.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{20};
// Of a message to or from a client, besides the document it may carry: the usage of a request with
// thousands of units.
constexpr uint64_t kMessageOverhead = uint64_t{16} << 20;
constexpr uint64_t kMaxWorkerMessage = uint64_t{64} << 20;
constexpr PeerId kBatches = 0;  // as a client of the session table; no peer is called so

SessionLimits LimitsOf(const CoordinatorSettings& settings, const TenantLimits& tenants) {
  return {.max_active_requests = static_cast<uint32_t>(settings.max_active_requests),
          .default_deadline = milliseconds(settings.default_deadline_ms),
          .worker_wait = milliseconds(settings.worker_wait_ms),
          .tenants = tenants,
          .prefetch_requests = static_cast<uint64_t>(settings.prefetch_requests)};
}

RouterOptions RouterOptionsOf(const CoordinatorSettings& settings) {
  return {.queue_bound_s = static_cast<double>(settings.queue_bound_ms) / 1000};
}

CatalogOptions CatalogOptionsOf(const CoordinatorSettings& settings, const ServedModel& model) {
  return {.store_endpoint = settings.store_endpoint,
          .context_length = model.context_length,
          .limits = SchemaLimitsOf(settings)};
}

// What Create has checked.
struct Choices {
  RepairChoice repair;
  std::unique_ptr<RoutingPolicy> policy;
};

std::unique_ptr<Background> OrThread(std::unique_ptr<Background> given, Transport& transport) {
  return given ? std::move(given) : StartBackgroundThread(transport);
}

class CoordinatorImpl : public Coordinator {
 public:
  CoordinatorImpl(Transport& transport, const CoordinatorSettings& settings, ServedModel model,
                  Choices choices, CoordinatorDeps deps)
      : transport_(transport),
        settings_(settings),
        model_(std::move(model)),
        clock_(*deps.clock),
        encoder_(*model_.tokenizer, *model_.chat_template),
        started_(clock_.Now()),
        sessions_(Router(std::move(choices.policy), RouterOptionsOf(settings)),
                  LimitsOf(settings, deps.tenants), started_),
        clients_(transport, TableOptions(PeerRole::kClient), ClientEvents()),
        workers_(transport, TableOptions(PeerRole::kWorker), WorkerEvents()),
        desk_(
            sessions_, workers_, [this] { return ProcessStatus(); }, Answerer()),
        compiling_(OrThread(std::move(deps.compiling), transport)),
        planning_(OrThread(std::move(deps.planning), transport)),
        catalog_({transport, *compiling_, clock_, encoder_}, CatalogOptionsOf(settings, model_)),
        schemas_(catalog_, Answerer()),
        batches_({transport, *compiling_, clock_}, settings, ItemRunner(), Answerer()),
        prompts_(*planning_, catalog_, model_, PromptLimitsOf(settings), choices.repair) {}

  ~CoordinatorImpl() override {
    transport_.CancelTimer(tick_);
    // Their threads work with everything else.
    compiling_.reset();
    planning_.reset();
  }

  Status Start() {
    const auto document =
        static_cast<uint64_t>(std::max(settings_.max_schema_bytes, settings_.max_prompt_bytes));
    PC_ASSIGN_OR_RETURN(endpoints_.client,
                        clients_.Listen({.endpoint = settings_.client_endpoint,
                                         .max_message_bytes = document + kMessageOverhead}));
    PC_ASSIGN_OR_RETURN(endpoints_.worker,
                        workers_.Listen({.endpoint = settings_.worker_endpoint,
                                         .max_message_bytes = kMaxWorkerMessage}));
    Tick();
    PC_RETURN_IF_ERROR(batches_.Start(endpoints_.client));
    return catalog_.Start();
  }

  const CoordinatorEndpoints& endpoints() const override { return endpoints_; }

  void WhenReady(std::function<void()> ready) override { catalog_.WhenLoaded(std::move(ready)); }

  void Report(ProcessReport& report) const override {
    report.ready = Readiness();
    AddCoordinatorMetrics({.status = desk_.Status(Now()),
                           .requests = sessions_.counters(),
                           .batches = batches_.counts(),
                           .generated_tokens = sessions_.history().generated_tokens(),
                           .client_links = clients_.size(),
                           .clients = clients_.counters(),
                           .workers = workers_.counters(),
                           .ttft_s = sessions_.history().ttft_s(),
                           .duration_s = sessions_.history().duration_s(),
                           .dispatch_s = dispatch_s_},
                          report.metrics);
  }

  // Clients lose their links and go to another coordinator, which finds their requests at the
  // workers: nothing is cancelled there.
  void Shutdown() override {
    shutting_down_ = true;
    batches_.Shutdown();
    for (const PeerId client : clients_.peers()) {
      clients_.Drop(client, Unavailable("the coordinator is shutting down"));
    }
  }

 private:
  PeerTableOptions TableOptions(PeerRole role) const {
    PeerTableOptions options;
    options.name = "coordinator";
    options.epoch = static_cast<uint64_t>(started_.time_since_epoch().count());
    options.heartbeat = milliseconds(settings_.heartbeat_ms);
    options.lease = milliseconds(settings_.lease_ms);
    options.admit = [this, role](const Hello& hello) -> Status {
      if (shutting_down_) return Unavailable("the coordinator is shutting down");
      const bool is_operator = role == PeerRole::kClient && hello.role == PeerRole::kAdmin;
      if (hello.role != role && !is_operator) {
        return FailedPrecondition("this endpoint is for another kind of peer");
      }
      if (role == PeerRole::kWorker && hello.name.empty()) {
        return InvalidArgument("a worker needs a name; set worker.name");
      }
      return {};
    };
    return options;
  }

  PeerEvents ClientEvents() {
    return {
        .on_down =
            [this](const PeerInfo& peer, const Status& /*why*/) {
              desk_.ClientGone(peer.id);
              Perform(sessions_.ClientGone(peer.id, Now()));
            },
        .on_message = [this](const PeerInfo& peer, Envelope envelope,
                             const Frame& /*payload*/) { FromClient(peer, std::move(envelope)); }};
  }

  PeerEvents WorkerEvents() {
    return {.on_down =
                [this](const PeerInfo& peer, const Status& why) {
                  Log(LogLevel::kWarning, "worker lost",
                      {{"worker", peer.hello.name}, {"reason", why.message()}});
                  Perform(sessions_.WorkerGone(peer.id, Now()));
                  desk_.WorkerGone(peer.id);
                },
            .on_message = [this](const PeerInfo& peer, const Envelope& envelope,
                                 const Frame& /*payload*/) { FromWorker(peer, envelope); }};
  }

  SteadyTime Now() const { return clock_.Now(); }

  void Tick() {
    Perform(sessions_.Tick(Now()));
    batches_.Tick();
    tick_ = transport_.After(kTick, [this] { Tick(); });
  }

  // ---- actions ----

  // A send that fails drops its peer, which leads to further actions. They come after those that
  // were decided before: else a Cancel would overtake the Run it is for.
  void Perform(Actions actions) {
    if (shutting_down_) return;  // nothing is begun any more, and nothing cancelled
    std::move(actions.begin(), actions.end(), std::back_inserter(actions_));
    if (std::exchange(performing_, true)) return;
    while (!actions_.empty()) {
      Action action = std::move(actions_.front());
      actions_.pop_front();
      if (auto* plan = std::get_if<PlanAction>(&action)) {
        StartPlanning(std::move(*plan));
      } else {
        Send(std::get<SendAction>(action));
      }
    }
    performing_ = false;
  }

  void Send(const SendAction& send) {
    if (send.side == Side::kClient && send.peer == kBatches) {
      return batches_.Received(send.envelope);
    }
    PeerTable& table = send.side == Side::kClient ? clients_ : workers_;
    const Status status = table.Send(send.peer, send.envelope);
    if (status.ok()) return;
    if (status.code() == Code::kResourceExhausted &&
        std::holds_alternative<Run>(send.envelope.body)) {
      // The worker will never see it: its Final is made here.
      return Perform(sessions_.FinalReceived(
          send.peer,
          {.request_id = send.envelope.request_id,
           .attempt = send.envelope.attempt,
           .body = Final{.code = status.code(), .message = "the plan: " + status.message()}},
          Now()));
    }
    // A peer that cannot be sent to is gone or hopelessly behind: its on_down does the rest.
    table.Drop(send.peer, status);
  }

  void Answer(PeerId client, const RequestId& id, Message body) {
    Status status = clients_.Send(client, {.request_id = id, .body = std::move(body)});
    if (status.code() == Code::kResourceExhausted) {
      status = clients_.Send(client,
                             {.request_id = id, .body = ReplyOf(status.WithContext("the answer"))});
    }
    if (!status.ok()) clients_.Drop(client, status);
  }

  WorkerRelay::Answer Answerer() {
    return [this](PeerId client, const RequestId& id, Message answer) {
      Answer(client, id, std::move(answer));
    };
  }

  // What another coordinator had accepted waits until schemas are loaded: workers may run it.
  void StartPlanning(PlanAction plan) {
    if (plan.submit.tried.empty()) return Plan(std::move(plan));
    catalog_.WhenLoaded([this, plan = std::move(plan)] {
      if (sessions_.WaitsFor(plan.ticket)) Plan(plan);
    });
  }

  void Plan(PlanAction plan) {
    prompts_.Plan(
        std::move(plan.submit), plan.tenant,
        [this, ticket = plan.ticket] { return sessions_.WaitsFor(ticket); },
        [this, ticket = plan.ticket](Result<PlannedPrompt> planned) {
          Planned(ticket, std::move(planned));
        });
  }

  void Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned) {
    const SteadyTime begun = Now();
    Actions actions = sessions_.Planned(ticket, std::move(planned), begun);
    dispatch_s_.Observe(MillisecondsBetween(begun, Now()) / 1000);
    Perform(std::move(actions));
  }

  // ---- clients ----

  void FromClient(const PeerInfo& peer, Envelope envelope) {
    const PeerId client = peer.id;
    const RequestId id = envelope.request_id;
    if (std::holds_alternative<Submit>(envelope.body)) return SubmitReceived(peer, envelope);
    if (std::holds_alternative<Cancel>(envelope.body)) {
      return Perform(
          sessions_.CancelReceived({.peer = client, .tenant = peer.tenant()}, id, Now()));
    }
    if (schemas_.Handle(peer, id, envelope.body)) return;
    if (batches_.Handle(peer, id, envelope.body)) return;
    if (desk_.Handle(peer, id, envelope.body, Now())) return;
    ++unexpected_;
    Answer(client, id, Reply{Code::kFailedPrecondition, "a client does not send this message"});
  }

  void SubmitReceived(const PeerInfo& peer, const Envelope& envelope) {
    Perform(sessions_.SubmitReceived({.peer = peer.id,
                                      .name = peer.hello.name,
                                      .tenant = peer.tenant(),
                                      .unix_ms = clock_.UnixMillis()},
                                     envelope, Now()));
  }

  // Items of batches are requests like others, of a client that is here.
  BatchRunner ItemRunner() {
    const auto submitter = [this](const std::string& tenant) -> Submitter {
      return {.peer = kBatches,
              .name = "batch",
              .tenant = tenant,
              .unix_ms = clock_.UnixMillis(),
              .in_background = true};
    };
    return {.submit =
                [this, submitter](const std::string& tenant, const Envelope& submit) {
                  Perform(sessions_.SubmitReceived(submitter(tenant), submit, Now()));
                },
            .cancel =
                [this, submitter](const std::string& tenant, const RequestId& request) {
                  Perform(sessions_.CancelReceived(submitter(tenant), request, Now()));
                }};
  }

  // Why requests cannot be served now.
  Status Readiness() const {
    if (shutting_down_) return Unavailable("the coordinator is shutting down");
    PC_RETURN_IF_ERROR(catalog_.CheckLoaded());
    if (sessions_.workers().HasOpen()) return {};
    return Unavailable(
        "no worker takes requests: " + std::to_string(sessions_.workers().all().size()) +
        " are connected, and those are draining or still warming up");
  }

  StatusReply ProcessStatus() const {
    return {.coordinator = endpoints_.client,
            .pid = static_cast<uint32_t>(::getpid()),
            .uptime_ms = static_cast<uint64_t>(MillisecondsBetween(started_, Now())),
            .meta_available = catalog_.store_is_up(),
            .model = model_.name,
            .context_length = model_.context_length,
            .schemas = static_cast<uint32_t>(catalog_.size()),
            .bad_frames = clients_.counters().bad_messages + clients_.counters().strangers +
                          workers_.counters().bad_messages + workers_.counters().strangers +
                          unexpected_};
  }

  // ---- workers ----

  void FromWorker(const PeerInfo& peer, const Envelope& envelope) {
    if (const auto* ready = std::get_if<WorkerReady>(&envelope.body)) {
      return WorkerIsReady(peer, *ready);
    }
    if (const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body)) {
      return Perform(sessions_.HeartbeatReceived(peer.id, *heartbeat, Now()));
    }
    if (const auto* residency = std::get_if<Residency>(&envelope.body)) {
      return Perform(sessions_.ResidencyReceived(peer.id, *residency, Now()));
    }
    if (std::holds_alternative<Partial>(envelope.body)) {
      return Perform(sessions_.PartialReceived(peer.id, envelope, Now()));
    }
    if (std::holds_alternative<Final>(envelope.body)) {
      return Perform(sessions_.FinalReceived(peer.id, envelope, Now()));
    }
    if (std::holds_alternative<RequestState>(envelope.body)) {
      return Perform(sessions_.RequestStateReceived(peer.id, envelope, Now()));
    }
    if (const auto* query = std::get_if<RecipeQuery>(&envelope.body)) {
      return AnswerRecipes(peer.id, envelope.request_id, *query);
    }
    if (desk_.AnswerReceived(peer, envelope)) return;
    ++unexpected_;
  }

  void WorkerIsReady(const PeerInfo& peer, const WorkerReady& ready) {
    Status fits = CheckWorkerModel(ready, model_);
    if (fits.ok() && sessions_.workers().contains(peer.id)) {
      fits = FailedPrecondition("a worker says once what it serves");
    }
    if (!fits.ok()) return workers_.Drop(peer.id, fits);
    Log(LogLevel::kInfo, "worker ready",
        {{"worker", peer.hello.name}, {"device", ready.device}, {"dtype", ready.identity.dtype}});
    const auto is_known = [this](const std::string& name) { return FindWarm(catalog_, name).ok(); };
    if (std::all_of(settings_.warm.begin(), settings_.warm.end(), is_known)) {
      return Admit(peer.id, ready);
    }
    catalog_.WhenLoaded([this, worker = peer.id, ready] {
      catalog_.CatchUp([this, worker, ready](const Status& /*known*/) {
        Admit(worker, ready);
        // What it has said meanwhile was not heard.
        (void)workers_.Send(worker, {.body = ResidencyResync{}});
      });
    });
  }

  void Admit(PeerId worker, const WorkerReady& ready) {
    const PeerInfo* const peer = workers_.Find(worker);
    if (peer == nullptr) return;  // it has gone while schemas were loaded
    if (const Status only = DropNamesake(*peer); !only.ok()) return workers_.Drop(worker, only);
    auto warm = WarmSet(catalog_, settings_.warm, model_.context_length);
    Perform(sessions_.WorkerIsReady(worker, peer->hello.name, ready, std::move(warm), Now()));
  }

  // Of two workers with one name the one that started later stays: a worker that was restarted is
  // back before the lease of the old one has ended. The failure is for the one that must go.
  Status DropNamesake(const PeerInfo& peer) {
    for (const auto& [id, worker] : sessions_.workers().all()) {
      if (id == peer.id || worker.name != peer.hello.name) continue;
      const Status taken = AlreadyExists("another worker named '" + worker.name +
                                         "' started later; give each worker its own name");
      if (workers_.Find(id)->hello.epoch > peer.hello.epoch) return taken;
      workers_.Drop(id, taken);
      return {};
    }
    return {};
  }

  // The worker takes what arrives without a request id, and goes on with the request when its id
  // arrives: with the last part.
  void AnswerRecipes(PeerId worker, const RequestId& id, const RecipeQuery& query) {
    auto parts = catalog_.FindRecipes(query.digests);
    for (RecipeReply& part : parts) {
      const bool is_last = &part == &parts.back();
      const Status status = workers_.Send(
          worker, {.request_id = is_last ? id : RequestId{}, .body = std::move(part)});
      if (!status.ok()) return workers_.Drop(worker, status);
    }
  }

  // Constant after construction.
  Transport& transport_;
  const CoordinatorSettings settings_;
  const ServedModel model_;
  const Clock& clock_;
  const TextEncoder encoder_;
  const SteadyTime started_;

  // Owned by the reactor thread.
  CoordinatorEndpoints endpoints_;
  SessionTable sessions_;
  PeerTable clients_;
  PeerTable workers_;
  OperatorDesk desk_;
  std::unique_ptr<Background> compiling_;
  std::unique_ptr<Background> planning_;
  SchemaCatalog catalog_;
  SchemaDesk schemas_;
  BatchDesk batches_;
  PromptPlanner prompts_;
  std::deque<Action> actions_;
  bool performing_ = false;
  TimerId tick_ = 0;
  uint64_t unexpected_ = 0;
  Histogram dispatch_s_{kShortSecondsBounds};  // of planned requests
  bool shutting_down_ = false;
};

}  // namespace

Result<std::unique_ptr<Coordinator>> Coordinator::Create(Transport& transport,
                                                         const CoordinatorSettings& settings,
                                                         ServedModel model, CoordinatorDeps deps) {
  PC_ASSIGN_OR_RETURN(const RepairChoice repair, DefaultRepair(settings));
  PC_ASSIGN_OR_RETURN(std::unique_ptr<RoutingPolicy> policy, ParsePolicy(settings.policy));
  auto coordinator = std::make_unique<CoordinatorImpl>(
      transport, settings, std::move(model), Choices{repair, std::move(policy)}, std::move(deps));
  PC_RETURN_IF_ERROR(coordinator->Start());
  return std::unique_ptr<Coordinator>(std::move(coordinator));
}

}  // namespace promptcache
