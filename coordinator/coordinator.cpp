#include "coordinator/coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "cluster/transport/peer_table.h"
#include "common/log.h"
#include "coordinator/batch/batch_desk.h"
#include "coordinator/coordinator_metrics.h"
#include "coordinator/operator_desk.h"
#include "coordinator/prompt_planner.h"
#include "coordinator/reply.h"
#include "coordinator/request_desk.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/schema_desk.h"
#include "coordinator/session/session.h"
#include "coordinator/worker_desk.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{20};
// Of a message to or from a client, besides the document it may carry: the usage of a request with
// thousands of units.
constexpr uint64_t kMessageOverhead = uint64_t{16} << 20;
constexpr uint64_t kMaxWorkerMessage = uint64_t{64} << 20;
constexpr uint64_t kUnsentMessages = 8;  // of the largest, to all clients together
constexpr uint32_t kUnreadOfAClient = 16;

uint64_t MaxClientMessage(const CoordinatorSettings& settings) {
  return static_cast<uint64_t>(std::max(settings.max_schema_bytes, settings.max_prompt_bytes)) +
         kMessageOverhead;
}

// Nobody else knows it.
uint64_t RandomNumber() {
  const RequestId random = RequestId::Random();
  uint64_t number = 0;
  std::memcpy(&number, random.bytes.data(), sizeof(number));
  return number;
}

SessionLimits LimitsOf(const CoordinatorSettings& settings, const TenantLimits& tenants) {
  return {.max_active_requests = static_cast<uint32_t>(settings.max_active_requests),
          .default_deadline = milliseconds(settings.default_deadline_ms),
          .worker_wait = milliseconds(settings.worker_wait_ms),
          .tenants = tenants,
          .prefetch_requests = static_cast<uint64_t>(settings.prefetch_requests),
          .warmup_secret = RandomNumber()};
}

RouterOptions RouterOptionsOf(const CoordinatorSettings& settings) {
  return {.queue_bound_s = static_cast<double>(settings.queue_bound_ms) / 1000};
}

std::unique_ptr<MetaClient> MetaClientOf(const CoordinatorSettings& settings,
                                         Transport& transport) {
  if (settings.store_endpoint.empty()) return nullptr;
  return std::make_unique<MetaClient>(transport, settings.store_endpoint);
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
        operator_desk_(
            sessions_, workers_, [this] { return ProcessStatus(); }, Answerer()),
        compiling_(OrThread(std::move(deps.compiling), transport)),
        planning_(OrThread(std::move(deps.planning), transport)),
        meta_(MetaClientOf(settings, transport)),
        catalog_({transport, *compiling_, clock_, encoder_, meta_.get()},
                 {.context_length = model_.context_length, .limits = SchemaLimitsOf(settings)}),
        schema_desk_(catalog_, clients_, Answerer()),
        prompts_(*planning_, catalog_, model_, PromptLimitsOf(settings), choices.repair),
        request_desk_({sessions_, clients_, workers_, catalog_, prompts_, clock_},
                      [this](const Envelope& envelope) { batch_desk_.Received(envelope); }),
        batch_desk_({meta_.get(), *compiling_, clock_}, settings, request_desk_.ItemRunner(),
                    Answerer()),
        worker_desk_({workers_, sessions_, catalog_, model_, clock_}, settings.warm,
                     [this](Actions actions) { request_desk_.Perform(std::move(actions)); }) {}

  ~CoordinatorImpl() override {
    transport_.CancelTimer(tick_);
    // Their threads work with everything else.
    compiling_.reset();
    planning_.reset();
  }

  Status Start() {
    PC_ASSIGN_OR_RETURN(endpoints_.client,
                        clients_.Listen({.endpoint = settings_.client_endpoint,
                                         .max_message_bytes = MaxClientMessage(settings_),
                                         .unread_messages = kUnreadOfAClient}));
    PC_ASSIGN_OR_RETURN(endpoints_.worker,
                        workers_.Listen({.endpoint = settings_.worker_endpoint,
                                         .max_message_bytes = kMaxWorkerMessage}));
    Tick();
    batch_desk_.SetName(endpoints_.client);
    return meta_ ? meta_->Start() : Status();
  }

  const CoordinatorEndpoints& endpoints() const override { return endpoints_; }

  void WhenReady(std::function<void()> ready) override { catalog_.WhenLoaded(std::move(ready)); }

  void Report(ProcessReport& report) const override {
    report.ready = Readiness();
    AddCoordinatorMetrics({.status = operator_desk_.Status(Now()),
                           .requests = sessions_.counters(),
                           .batches = batch_desk_.counts(),
                           .generated_tokens = sessions_.history().generated_tokens(),
                           .client_links = clients_.size(),
                           .clients = clients_.counters(),
                           .workers = workers_.counters(),
                           .ttft_s = sessions_.history().ttft_s(),
                           .duration_s = sessions_.history().duration_s(),
                           .dispatch_s = request_desk_.dispatch_s()},
                          report.metrics);
  }

  // Clients lose their links and go to another coordinator, which finds their requests at the
  // workers: nothing is cancelled there.
  void Shutdown() override {
    shutting_down_ = true;
    request_desk_.Stop();
    batch_desk_.Shutdown();
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
    if (role == PeerRole::kClient) {
      options.max_unsent_bytes = kUnsentMessages * MaxClientMessage(settings_);
    }
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
              operator_desk_.ClientGone(peer.id);
              request_desk_.Perform(sessions_.ClientGone(peer.id, Now()));
            },
        .on_message = [this](const PeerInfo& peer, Envelope envelope,
                             const Frame& /*payload*/) { FromClient(peer, std::move(envelope)); }};
  }

  PeerEvents WorkerEvents() {
    return {.on_down =
                [this](const PeerInfo& peer, const Status& why) {
                  Log(LogLevel::kWarning, "worker lost",
                      {{"worker", peer.hello.name}, {"reason", why.message()}});
                  request_desk_.Perform(sessions_.WorkerGone(peer.id, Now()));
                  operator_desk_.WorkerGone(peer.id);
                },
            .on_message = [this](const PeerInfo& peer, const Envelope& envelope,
                                 const Frame& /*payload*/) { FromWorker(peer, envelope); }};
  }

  SteadyTime Now() const { return clock_.Now(); }

  void Tick() {
    request_desk_.Perform(sessions_.Tick(Now()));
    batch_desk_.Tick();
    tick_ = transport_.After(kTick, [this] { Tick(); });
  }

  void Answer(PeerId client, const RequestId& id, Message body) {
    Status status = clients_.Send(client, {.request_id = id, .body = std::move(body)});
    if (status.code() == Code::kResourceExhausted || status.code() == Code::kBusy) {
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

  void FromClient(const PeerInfo& peer, Envelope envelope) {
    const RequestId id = envelope.request_id;
    if (request_desk_.Handle(peer, envelope)) return;
    if (const Status room = clients_.CheckRoom(peer.id); !room.ok()) {
      return Answer(peer.id, id, ReplyOf(room));
    }
    if (schema_desk_.Handle(peer, id, envelope.body)) return;
    if (batch_desk_.Handle(peer, id, envelope.body)) return;
    if (operator_desk_.Handle(peer, id, envelope.body, Now())) return;
    ++unexpected_;
    Answer(peer.id, id, Reply{Code::kFailedPrecondition, "a client does not send this message"});
  }

  void FromWorker(const PeerInfo& peer, const Envelope& envelope) {
    if (worker_desk_.Handle(peer, envelope)) return;
    if (operator_desk_.AnswerReceived(peer, envelope)) return;
    ++unexpected_;
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
            .meta_available = meta_ && meta_->up(),
            .model = model_.name,
            .context_length = model_.context_length,
            .schemas = static_cast<uint32_t>(catalog_.size()),
            .bad_frames = clients_.counters().bad_messages + clients_.counters().strangers +
                          workers_.counters().bad_messages + workers_.counters().strangers +
                          unexpected_};
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
  OperatorDesk operator_desk_;
  std::unique_ptr<Background> compiling_;
  std::unique_ptr<Background> planning_;
  std::unique_ptr<MetaClient> meta_;  // null: there is no store
  SchemaCatalog catalog_;
  SchemaDesk schema_desk_;
  PromptPlanner prompts_;
  RequestDesk request_desk_;
  BatchDesk batch_desk_;
  WorkerDesk worker_desk_;
  TimerId tick_ = 0;
  uint64_t unexpected_ = 0;
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
