// Events in random order against a simple model of what clients and workers may see.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "coordinator/session/session.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;

constexpr int kSeeds = 3'000;
constexpr int kEvents = 150;
constexpr uint8_t kIds = 12;

// What a client has seen of a request that has not ended.
struct Open {
  bool accepted = false;
  uint32_t partials = 0;
};
// What a worker computes.
struct Running {
  uint32_t attempt = 0;
  uint32_t seq = 0;
};

class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {
    for (int n = 0; n < 3; ++n) clients_.insert(++last_peer_);
  }

  void RunAll() {
    const std::vector<std::function<void()>> events = {
        [this] { Submit(); },       [this] { Submit(); },      [this] { Plan(); },
        [this] { Plan(); },         [this] { Cancel(); },      [this] { ReplaceClient(); },
        [this] { StartWorker(); },  [this] { LoseWorker(); },  [this] { SendPartial(); },
        [this] { SendPartial(); },  [this] { SendFinal(); },   [this] { SendFinal(); },
        [this] { SendNonsense(); }, [this] { LosePartial(); }, [this] { Tick(); },
    };
    for (int n = 0; n < kEvents && !::testing::Test::HasFailure(); ++n) {
      events[Pick(events.size())]();
      CheckBooks();
    }
    Settle();
  }

 private:
  size_t Pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }
  RequestId SomeId() { return IdOf(static_cast<uint8_t>(1 + Pick(kIds))); }
  PeerId SomeClient() { return *std::next(clients_.begin(), static_cast<long>(Pick(3))); }

  // ---- events ----

  void Submit() {
    const PeerId client = SomeClient();
    const RequestId id = SomeId();
    const bool is_new = open_.emplace(std::pair(client, id), Open{}).second;
    const auto actions = table_.SubmitReceived({client}, SubmitOf(id, 500 + Pick(5'000)), Now());
    EXPECT_TRUE(is_new || actions.empty()) << "an answer to a duplicate";
    Perform(actions);
  }

  void Plan() {
    if (tickets_.empty()) return;
    const size_t n = Pick(tickets_.size());
    const PlanTicket ticket = tickets_[n];
    tickets_.erase(tickets_.begin() + static_cast<long>(n));
    if (Pick(5) == 0) return Perform(table_.Planned(ticket, NotFound("no schema"), Now()));
    Perform(table_.Planned(ticket, PlanOfUnit(static_cast<uint8_t>(Pick(4))), Now()));
  }

  void Cancel() { Perform(table_.CancelReceived({SomeClient()}, SomeId(), Now())); }

  void ReplaceClient() {
    const PeerId gone = SomeClient();
    clients_.erase(gone);
    std::erase_if(open_, [&](const auto& one) { return one.first.first == gone; });
    Perform(table_.ClientGone(gone, Now()));
    clients_.insert(++last_peer_);
  }

  void StartWorker() {
    if (workers_.size() >= 3) return;
    const PeerId worker = ++last_peer_;
    workers_[worker];
    Perform(table_.WorkerIsReady(worker, "w", ReadyWorker(2), {}, Now()));
    Perform(table_.ResidencyReceived(worker, {.seq = 1, .snapshot = true}, Now()));
  }

  void LoseWorker() {
    if (workers_.empty()) return;
    const PeerId gone =
        std::next(workers_.begin(), static_cast<long>(Pick(workers_.size())))->first;
    workers_.erase(gone);
    Perform(table_.WorkerGone(gone, Now()));
  }

  // Calls `act` with a worker and something that it runs, if there is any.
  void OnSomeRun(const std::function<void(PeerId, RequestId)>& act) {
    std::vector<std::pair<PeerId, RequestId>> all;
    for (const auto& [worker, runs] : workers_) {
      for (const auto& [id, run] : runs) all.emplace_back(worker, id);
    }
    if (all.empty()) return;
    const auto [worker, id] = all[Pick(all.size())];
    act(worker, id);
  }

  void SendPartial() {
    OnSomeRun([this](PeerId worker, RequestId id) {
      Running& run = workers_[worker][id];
      Perform(table_.PartialReceived(worker, PartialOf(id, run.seq++, run.attempt), Now()));
    });
  }

  void LosePartial() {
    OnSomeRun([this](PeerId worker, RequestId id) {
      if (Pick(4) == 0) ++workers_[worker][id].seq;
    });
  }

  void SendFinal() {
    OnSomeRun([this](PeerId worker, RequestId id) {
      const uint32_t attempt = workers_[worker][id].attempt;
      workers_[worker].erase(id);
      Envelope final = FinalOk(id, attempt);
      if (Pick(4) == 0) final.body = Final{.code = Code::kResourceExhausted, .message = "no room"};
      Perform(table_.FinalReceived(worker, final, Now()));
    });
  }

  // Of unknown workers, requests and attempts.
  void SendNonsense() {
    const PeerId worker = 1 + Pick(last_peer_ + 2);
    const uint32_t attempt = 1'000 + static_cast<uint32_t>(Pick(3));
    EXPECT_TRUE(table_.PartialReceived(worker, PartialOf(SomeId(), 0, attempt), Now()).empty());
    EXPECT_TRUE(table_.FinalReceived(worker, FinalOk(SomeId(), attempt), Now()).empty());
    Perform(table_.ResidencyReceived(worker, {.seq = Pick(5), .snapshot = Pick(2) == 0}, Now()));
  }

  void Tick() {
    clock_.Advance(milliseconds(Pick(700)));
    Perform(table_.Tick(Now()));
  }

  // ---- what the table may do ----

  void Perform(const Actions& actions) {
    for (const Action& action : actions) {
      if (const auto* plan = std::get_if<PlanAction>(&action)) {
        tickets_.push_back(plan->ticket);
        continue;
      }
      const auto& send = std::get<SendAction>(action);
      send.side == Side::kClient ? ToClient(send) : ToWorker(send);
    }
  }

  void ToClient(const SendAction& send) {
    const auto key = std::pair(send.peer, send.envelope.request_id);
    ASSERT_TRUE(clients_.contains(send.peer)) << "sent to a client that has gone";
    ASSERT_TRUE(open_.contains(key)) << "sent after the Final, or for nothing";
    Open& open = open_[key];
    if (std::holds_alternative<Accepted>(send.envelope.body)) {
      EXPECT_FALSE(std::exchange(open.accepted, true)) << "accepted twice";
    } else if (const auto* partial = std::get_if<Partial>(&send.envelope.body)) {
      EXPECT_TRUE(open.accepted);
      EXPECT_EQ(partial->seq, open.partials++);
    } else {
      EXPECT_TRUE(std::holds_alternative<Final>(send.envelope.body));
      open_.erase(key);
    }
  }

  void ToWorker(const SendAction& send) {
    ASSERT_TRUE(workers_.contains(send.peer)) << "sent to a worker that has gone";
    auto& runs = workers_[send.peer];
    const RequestId& id = send.envelope.request_id;
    if (std::holds_alternative<Run>(send.envelope.body)) {
      EXPECT_TRUE(runs.emplace(id, Running{.attempt = send.envelope.attempt}).second)
          << "given twice to one worker";
    } else if (std::holds_alternative<promptcache::Cancel>(send.envelope.body)) {
      EXPECT_EQ(runs.erase(id), 1u) << "cancelled what does not run there";
    } else if (const auto* adopt = std::get_if<Adopt>(&send.envelope.body)) {
      ASSERT_TRUE(runs.contains(id)) << "adopted where it does not run";
      runs[id] = {.attempt = send.envelope.attempt, .seq = adopt->delivered.parts};
    } else {
      EXPECT_TRUE(std::holds_alternative<ResidencyResync>(send.envelope.body));
    }
  }

  void CheckBooks() {
    EXPECT_EQ(table_.active(), open_.size()) << "a request was forgotten, or never ended";
    ASSERT_EQ(table_.workers().all().size(), workers_.size());
    std::set<RequestId> running;
    for (const auto& [worker, runs] : workers_) {
      EXPECT_EQ(table_.workers().fleet().workers().at(worker).assigned(), runs.size());
      for (const auto& [id, run] : runs) {
        EXPECT_TRUE(running.insert(id).second) << "runs on two workers";
        EXPECT_TRUE(std::any_of(open_.begin(), open_.end(), [&](const auto& one) {
          return one.first.second == id;
        })) << "a worker computes what nobody waits for";
      }
    }
  }

  // Whatever is left ends by itself when time passes.
  void Settle() {
    while (!tickets_.empty()) Plan();
    clock_.Advance(milliseconds(5'500));
    Perform(table_.Tick(Now()));
    CheckBooks();
    EXPECT_TRUE(open_.empty());
    EXPECT_EQ(table_.active(), 0u);
  }

  SteadyTime Now() const { return clock_.Now(); }

  std::mt19937 random_;
  FakeClock clock_;
  SessionTable table_{
      CostRouter(), {.max_active_requests = 8, .worker_wait = milliseconds(2'000)}, clock_.Now()};
  PeerId last_peer_ = 0;
  std::set<PeerId> clients_;
  std::map<std::pair<PeerId, RequestId>, Open> open_;
  std::map<PeerId, std::map<RequestId, Running>> workers_;
  std::vector<PlanTicket> tickets_;
};

TEST(SessionRandom, EverySubmitGetsExactlyOneFinalAndNothingIsForgotten) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World(seed).RunAll();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace promptcache::testing
