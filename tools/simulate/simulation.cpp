#include "tools/simulate/simulation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <utility>

#include "tools/simulate/coordinator_view.h"
#include "tools/simulate/draws.h"
#include "tools/simulate/sim_worker.h"

namespace promptcache {
namespace {

constexpr double kLongAgo = -1000;  // the fleet is not new at the start

enum class EventKind : uint8_t {
  kArrival,
  kLoaded,
  kCopied,
  kTurnEnded,
  kDecoded,
  kReport,
  kSlowdown,
  kLeave,
  kJoin
};

struct Event {
  double at_s = 0;
  uint64_t number = 0;
  EventKind kind = EventKind::kArrival;
  size_t worker = 0;
  uint64_t life = 0;  // of the worker: events of an earlier one are void
  uint32_t request = 0;

  bool operator>(const Event& other) const {
    return std::tie(at_s, number) > std::tie(other.at_s, other.number);
  }
};

class Simulation {
 public:
  Simulation(const Workload& workload, const std::vector<WorkerModel>& models,
             const SimulationOptions& options, std::unique_ptr<RoutingPolicy> policy)
      : workload_(workload),
        models_(models),
        options_(options),
        view_(workload, std::move(policy), options.rails),
        draws_(options.seed, 3) {}

  SimulationResult Run();

 private:
  struct Slot {
    std::unique_ptr<SimWorker> worker;  // null while it is away
    WorkerId life = 0;
    bool delta_lost = false;
  };

  void Start();
  void Warm();
  void Schedule(double at_s, EventKind kind, size_t worker = 0, uint32_t request = 0);
  void Handle(const Event& event);
  void Join(size_t worker, double joined_s);
  void Leave(size_t worker);
  void Report(size_t worker);
  void ReportUnits(size_t worker, const std::vector<uint32_t>& units);
  void Place(uint32_t request);
  void GiveTo(uint32_t request, const CoordinatorView::Answer& answer);
  void TryWaiting();
  void GoOn(size_t worker);
  void TurnEnded(size_t worker);
  void Count(uint32_t request, const Work& work);
  double Off(double value) {
    const double noise = options_.disturbances.noise;
    return value * draws_.Between(1 - noise, 1 + noise);
  }
  WorkerRates Off(WorkerRates rates);
  double Replicas() const;

  const Workload& workload_;
  const std::vector<WorkerModel>& models_;
  const SimulationOptions& options_;
  CoordinatorView view_;
  Draws draws_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Slot> slots_;
  std::unordered_map<WorkerId, size_t> slot_of_;
  std::unordered_set<uint32_t> stored_;
  uint64_t scheduled_ = 0;
  WorkerId lives_ = 0;
  double now_s_ = 0;
  size_t unfinished_ = 0;  // requests without a first token
  SimulationResult result_;
};

void Simulation::Schedule(double at_s, EventKind kind, size_t worker, uint32_t request) {
  events_.push({.at_s = at_s,
                .number = scheduled_++,
                .kind = kind,
                .worker = worker,
                .life = slots_[worker].life,
                .request = request});
}

SimulationResult Simulation::Run() {
  Start();
  while (!events_.empty() && unfinished_ > 0) {
    const Event event = events_.top();
    events_.pop();
    now_s_ = event.at_s;
    Handle(event);
  }
  for (size_t worker = 0; worker < slots_.size(); ++worker) {
    const SimWorker* sim = slots_[worker].worker.get();
    if (sim != nullptr) result_.busy_s[worker] += sim->device_seconds();
  }
  const double seconds = workload_.duration_s() * static_cast<double>(models_.size());
  const double work = std::accumulate(result_.busy_s.begin(), result_.busy_s.end(), 0.0);
  result_.load = seconds > 0 ? work / seconds : 0;
  result_.replicas = Replicas();
  result_.decision_us = view_.decision_us();
  return std::move(result_);
}

void Simulation::Start() {
  slots_.resize(models_.size());
  result_.busy_s.resize(models_.size());
  for (size_t worker = 0; worker < models_.size(); ++worker) Join(worker, kLongAgo);
  Warm();
  for (uint32_t i = 0; i < workload_.requests.size(); ++i) {
    Schedule(workload_.requests[i].arrival_s, EventKind::kArrival, 0, i);
  }
  unfinished_ = workload_.requests.size();
  const Disturbances& disturbances = options_.disturbances;
  const double end_s = workload_.duration_s();
  if (disturbances.slow_factor != 1) Schedule(end_s / 3, EventKind::kSlowdown);
  if (disturbances.away_share > 0) {
    Schedule(end_s / 2, EventKind::kLeave, 1);
    Schedule(end_s * (0.5 + disturbances.away_share), EventKind::kJoin, 1);
  }
}

// Every schema was asked for at its home before, the most popular last.
void Simulation::Warm() {
  const Router homes(*ParsePolicy("rendezvous"), options_.rails);
  for (size_t i = workload_.warm.size(); i-- > 0;) {
    RouteRequest request{.affinity = std::to_string(i), .keys = {{}}};
    const RoutingDecision decision = homes.Route(request, view_.fleet(), AtSeconds(kLongAgo));
    view_.fleet().Ended(request.id, AtSeconds(kLongAgo));
    const WorkerId home = decision.scores[decision.chosen].worker;
    for (const uint32_t unit : workload_.warm[i]) {
      slots_[slot_of_.at(home)].worker->tiers().ToDevice(unit);
      stored_.insert(unit);
    }
  }
  for (const uint32_t unit : stored_) view_.fleet().Stored(view_.KeyOf(unit));
  for (size_t worker = 0; worker < slots_.size(); ++worker) {
    ReportUnits(worker, slots_[worker].worker->tiers().TakeChanges());
  }
}

void Simulation::Handle(const Event& event) {
  Slot& slot = slots_[event.worker];
  const bool alive = slot.worker != nullptr && slot.life == event.life;
  switch (event.kind) {
    case EventKind::kArrival:
      TryWaiting();
      return Place(event.request);
    case EventKind::kLoaded:
      if (!alive) return;
      slot.worker->EndLoad();
      return GoOn(event.worker);
    case EventKind::kCopied:
      if (!alive) return;
      slot.worker->EndCopy();
      return GoOn(event.worker);
    case EventKind::kTurnEnded:
      if (alive) TurnEnded(event.worker);
      return;
    case EventKind::kDecoded:
      if (!alive) return;
      slot.worker->EndDecode(event.request);
      view_.fleet().Ended(view_.IdOf(event.request), AtSeconds(now_s_));
      return TryWaiting();
    case EventKind::kReport:
      if (alive) Report(event.worker);
      return;
    case EventKind::kSlowdown:
      return slot.worker->SetSlowdown(1 / options_.disturbances.slow_factor);
    case EventKind::kLeave:
      return Leave(event.worker);
    case EventKind::kJoin:
      Join(event.worker, now_s_);
      return TryWaiting();
  }
}

void Simulation::Join(size_t worker, double joined_s) {
  const WorkerModel& model = models_[worker];
  Slot& slot = slots_[worker];
  slot = {.worker = std::make_unique<SimWorker>(model, workload_, stored_), .life = ++lives_};
  slot_of_[slot.life] = worker;
  view_.fleet().Join(slot.life,
                     {.name = "worker-" + std::to_string(worker),
                      .slots = model.slots,
                      .kv_bytes_per_token = model.kv_bytes_per_token,
                      .rates = Off(model.rates)},
                     AtSeconds(joined_s));
  // They do not all report at the same time.
  Schedule(now_s_ + draws_.Uniform() * options_.disturbances.report_interval_s, EventKind::kReport,
           worker);
}

void Simulation::Leave(size_t worker) {
  Slot& slot = slots_[worker];
  result_.busy_s[worker] += slot.worker->device_seconds();
  slot.worker.reset();
  const std::map<WorkerId, FleetWorker>& workers = view_.fleet().workers();
  std::vector<RequestId> again;
  for (const RequestId& id : workers.at(slot.life).Unstarted()) again.push_back(id);
  view_.fleet().Leave(slot.life);
  for (const RequestId& id : again) Place(CoordinatorView::IndexOf(id));
}

void Simulation::Report(size_t worker) {
  Slot& slot = slots_[worker];
  WorkerReport report = slot.worker->Report(now_s_);
  report.backlog_s = Off(report.backlog_s);
  report.rates = Off(report.rates);
  view_.fleet().Report(slot.life, report, AtSeconds(now_s_));
  const std::vector<uint32_t> changes = slot.worker->tiers().TakeChanges();
  const bool lost = draws_.Uniform() < options_.disturbances.lost_deltas;
  if (!lost && slot.delta_lost) {
    view_.fleet().ForgetUnits(slot.life);
    ReportUnits(worker, slot.worker->tiers().Units());
  } else if (!lost) {
    ReportUnits(worker, changes);
  }
  slot.delta_lost = lost;
  Schedule(now_s_ + options_.disturbances.report_interval_s, EventKind::kReport, worker);
  TryWaiting();
}

WorkerRates Simulation::Off(WorkerRates rates) {
  rates.prefill_tokens_per_s = Off(rates.prefill_tokens_per_s);
  for (TierRate* rate : {&rates.host, &rates.disk, &rates.remote}) {
    rate->bytes_per_s = Off(rate->bytes_per_s);
  }
  return rates;
}

void Simulation::ReportUnits(size_t worker, const std::vector<uint32_t>& units) {
  const Slot& slot = slots_[worker];
  for (const uint32_t unit : units) {
    view_.fleet().SetTier(slot.life, view_.KeyOf(unit), slot.worker->tiers().TierOf(unit));
    view_.fleet().Stored(view_.KeyOf(unit));
  }
}

void Simulation::Place(uint32_t request) {
  const double deadline_s = workload_.requests[request].arrival_s + options_.deadline_s;
  const CoordinatorView::Answer answer = view_.Route(request, deadline_s, now_s_);
  switch (answer.outcome) {
    case Outcome::kAssign:
      return GiveTo(request, answer);
    case Outcome::kHold:
    case Outcome::kNoWorker:
      ++result_.held;
      return view_.Hold(request, answer, deadline_s);
    case Outcome::kReject:
      ++result_.rejected;
      --unfinished_;
      return;
  }
}

void Simulation::GiveTo(uint32_t request, const CoordinatorView::Answer& answer) {
  const size_t worker = slot_of_.at(answer.worker);
  slots_[worker].worker->Take(request);
  GoOn(worker);
}

void Simulation::TryWaiting() {
  if (std::isfinite(options_.deadline_s)) {
    const size_t expired = view_.DropExpired(now_s_);
    result_.rejected += expired;
    unfinished_ -= expired;
  }
  while (const auto found = view_.TryWaiting(now_s_)) GiveTo(found->request, found->answer);
}

void Simulation::GoOn(size_t worker) {
  SimWorker& sim = *slots_[worker].worker;
  if (const auto end_s = sim.StartLoad(now_s_)) Schedule(*end_s, EventKind::kLoaded, worker);
  if (const auto end_s = sim.StartCopy(now_s_)) Schedule(*end_s, EventKind::kCopied, worker);
  if (const auto end_s = sim.StartTurn(now_s_)) Schedule(*end_s, EventKind::kTurnEnded, worker);
}

void Simulation::TurnEnded(size_t worker) {
  SimWorker& sim = *slots_[worker].worker;
  for (const auto& [request, work] : sim.EndTurn()) {
    Count(request, work);
    view_.fleet().Started(view_.IdOf(request), AtSeconds(now_s_));
    view_.fleet().Measured(view_.IdOf(request), work.seconds);
    const double decode_s = workload_.requests[request].output_tokens * sim.model().decode_token_s;
    Schedule(now_s_ + decode_s, EventKind::kDecoded, worker, request);
  }
  GoOn(worker);
  TryWaiting();
}

void Simulation::Count(uint32_t request, const Work& work) {
  --unfinished_;
  const auto all = static_cast<double>(workload_.requests.size());
  if (request < all * options_.dropped_share) return;
  result_.ttft_s.samples.push_back(now_s_ - workload_.requests[request].arrival_s);
  result_.bytes_moved += work.bytes;
  for (size_t i = 0; i < work.unit_tokens.size(); ++i)
    result_.unit_tokens[i] += work.unit_tokens[i];
}

double Simulation::Replicas() const {
  std::unordered_set<uint32_t> distinct;
  size_t copies = 0;
  for (const Slot& slot : slots_) {
    if (slot.worker == nullptr) continue;
    const std::vector<uint32_t> units = slot.worker->tiers().DeviceUnits();
    copies += units.size();
    distinct.insert(units.begin(), units.end());
  }
  return distinct.empty() ? 0 : static_cast<double>(copies) / static_cast<double>(distinct.size());
}

}  // namespace

Result<SimulationResult> Simulate(const Workload& workload, const std::vector<WorkerModel>& workers,
                                  const SimulationOptions& options) {
  if (workers.empty()) return InvalidArgument("a simulation needs a worker");
  if (workload.requests.empty()) return InvalidArgument("the workload has no requests");
  if (options.disturbances.away_share > 0 && workers.size() < 2) {
    return InvalidArgument("a worker can leave only where there are two");
  }
  PC_ASSIGN_OR_RETURN(std::unique_ptr<RoutingPolicy> policy, ParsePolicy(options.policy));
  SimulationResult result = Simulation(workload, workers, options, std::move(policy)).Run();
  result.workload = workload.name;
  result.policy = options.policy;
  result.seed = options.seed;
  return result;
}

}  // namespace promptcache
