#include "worker/service/worker_service.h"

#include <atomic>
#include <future>
#include <vector>

#include "common/log.h"
#include "worker/engine/engine.h"
#include "worker/metrics/worker_metrics.h"
#include "worker/service/coordinator_link.h"
#include "worker/service/reports.h"
#include "worker/service/resident_units.h"
#include "worker/service/worker_requests.h"
#include "worker/settings/coordinators.h"

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kReportEvery{200};

class ServiceImpl : public WorkerService {
 public:
  ServiceImpl(WorkerDeps deps, const WorkerSettings& settings)
      : deps_(std::move(deps)), settings_(settings) {}

  ~ServiceImpl() override {
    alive_->store(false);
    deps_.transport->CancelTimer(report_);
    StopLinks();
  }

  Status Start() {
    PC_RETURN_IF_ERROR(CheckCoordinators(settings_.coordinator_endpoints));
    StartEngine();
    requests_ = std::make_unique<WorkerRequests>(RequestsDeps{
        .engine = engine_.get(),
        .clock = deps_.clock,
        .worker = settings_.name,
        .waiting_limit = static_cast<size_t>(settings_.queue_limit),
        .post = [this](std::function<void()> function) { PostHere(std::move(function)); },
        .send = [this](uint32_t coordinator,
                       const Envelope& envelope) { return links_[coordinator]->Send(envelope); }});
    const Hello hello{
        .role = PeerRole::kWorker,
        .name = settings_.name,
        .epoch = static_cast<uint64_t>(SystemClock().Now().time_since_epoch().count())};
    for (const std::string& endpoint : settings_.coordinator_endpoints) {
      const auto index = static_cast<uint32_t>(links_.size());
      links_.push_back(
          std::make_unique<CoordinatorLink>(*deps_.transport, endpoint, hello, EventsOf(index)));
      PC_RETURN_IF_ERROR(links_.back()->Start());
    }
    Tick();
    return {};
  }

  void Drain() override {
    std::promise<std::unique_ptr<Engine>> handed_over;
    deps_.transport->Post([this, &handed_over] {
      deps_.transport->CancelTimer(report_);
      StopLinks();
      requests_->Close();
      handed_over.set_value(std::move(engine_));
    });
    handed_over.get_future().get().reset();
  }

  void Report(ProcessReport& report) const override {
    MeasuredWorker state{.slots = static_cast<uint32_t>(settings_.slots),
                         .unit_limit_bytes = static_cast<uint64_t>(settings_.unit_cache_bytes),
                         .imports = requests_->imports()};
    for (const auto& link : links_) state.coordinators += link->up() ? 1 : 0;
    if (engine_) {  // until it drains to stop
      const EngineStats stats = engine_->stats();
      state.heartbeat = HeartbeatNow();
      state.corruptions = stats.corruptions;
      state.put_failures = stats.put_failures;
    }
    report.ready = ReadinessOf(state);
    AddWorkerMetrics(state, report.metrics);
  }

  void OnReady(std::function<void()> ready) override { on_ready_ = std::move(ready); }

 private:
  void StartEngine() {
    engine_ = deps_.model->StartEngine(
        {.store = deps_.store,
         .store_tier = StoreTierOf(settings_),
         .options = EngineOptionsOf(settings_),
         .on_residency = [this](UnitChanges changes) {
           PostHere([this, changes = std::move(changes)] { UnitsChanged(changes); });
         }});
  }

  // Runs on the reactor thread unless the service has gone meanwhile.
  void PostHere(std::function<void()> function) {
    deps_.transport->Post([alive = alive_, function = std::move(function)] {
      if (alive->load()) function();
    });
  }

  // ---- links ----

  ConnectionEvents EventsOf(uint32_t coordinator) {
    return {.on_up = [this, coordinator](const HelloAck& /*ack*/) { LinkUp(*links_[coordinator]); },
            .on_down = [this, coordinator](
                           const Status& /*why*/) { requests_->CoordinatorLost(coordinator); },
            .on_message =
                [this, coordinator](Envelope envelope, const Frame& /*payload*/) {
                  Receive(coordinator, std::move(envelope));
                }};
  }

  void LinkUp(CoordinatorLink& link) {
    SendTo(link, {}, ReadyOf(*deps_.model, settings_));
    link.SendSnapshot(units_);
    link.SendHeartbeat(HeartbeatNow(), units_);
    if (on_ready_) on_ready_();
  }

  void StopLinks() {
    for (const auto& link : links_) link->Stop();
  }

  // ---- reports ----

  void UnitsChanged(const UnitChanges& changes) {
    units_.Apply(changes);
    for (const auto& link : links_) link->SendChanges(changes);
  }

  Heartbeat HeartbeatNow() const {
    return HeartbeatOf(engine_->stats(), StoreTierOf(settings_), requests_->drain());
  }

  void SendReports() {
    const Heartbeat heartbeat = HeartbeatNow();
    for (const auto& link : links_) link->SendHeartbeat(heartbeat, units_);
  }

  void Tick() {
    SendReports();
    requests_->Tick();
    report_ = deps_.transport->After(kReportEvery, [this] { Tick(); });
  }

  // ---- messages ----

  void Receive(uint32_t coordinator, Envelope envelope) {
    CoordinatorLink& link = *links_[coordinator];
    if (std::holds_alternative<ResidencyResync>(envelope.body)) return link.SendSnapshot(units_);
    if (const auto* drop = std::get_if<UnitsDrop>(&envelope.body)) {
      return DropUnits(link, envelope.request_id, drop->keys);
    }
    if (const auto* drain = std::get_if<DrainWorker>(&envelope.body)) {
      const Status status = SetDrain(*drain);
      return SendTo(link, envelope.request_id, Reply{status.code(), status.message()});
    }
    requests_->Receive(coordinator, std::move(envelope));
  }

  // But for a full queue, a failed send means that the link goes down.
  static void SendTo(CoordinatorLink& link, const RequestId& id, Message body) {
    (void)link.Send({.request_id = id, .body = std::move(body)}).ok();
  }

  Status SetDrain(const DrainWorker& drain) {
    if (drain.worker != settings_.name) {
      return InvalidArgument("this is worker '" + settings_.name + "', not '" + drain.worker + "'");
    }
    requests_->SetDrain(drain.change);
    Log(LogLevel::kInfo, drain.change == DrainChange::kDrain ? "draining: no new requests are taken"
                                                             : "taking requests again");
    SendReports();
    return {};
  }

  void DropUnits(CoordinatorLink& link, const RequestId& id, const std::vector<UnitKey>& keys) {
    engine_->Drop(keys, [this, &link, id](const RemovedUnits& removed) {
      PostHere([this, &link, id, removed] {
        SendTo(link, id, UnitsDropped{{{settings_.name, removed.units, removed.held}}});
      });
    });
  }

  // Constant after construction.
  const WorkerDeps deps_;
  const WorkerSettings settings_;
  const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);

  // Owned by the reactor thread.
  ResidentUnits units_;
  std::unique_ptr<WorkerRequests> requests_;
  std::vector<std::unique_ptr<CoordinatorLink>> links_;  // by number; constant after Start
  std::function<void()> on_ready_;
  TimerId report_ = 0;

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
