// Requests of tenants: how many there may be, and under which keys their units go.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/session_fixture.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kDomain = 7;

class SessionTenants : public SessionTest {
 protected:
  static Submitter Of(const std::string& tenant) { return {.peer = kClient, .tenant = tenant}; }
  static PlannedPrompt PlanIn(uint64_t domain, uint8_t recipe = 5) {
    PlannedPrompt prompt = PlanOfUnit(recipe);
    prompt.tenant = "acme";
    prompt.domain = domain;
    return prompt;
  }
  static UnitKey KeyIn(uint64_t domain) {
    return MakeUnitKey(ReadyWorker().identity.Digest(), domain, RecipeOf(5));
  }
  Actions StartIn(uint64_t domain, const RequestId& id) {
    const auto submitted = table_.SubmitReceived(Of("acme"), SubmitOf(id), now());
    return table_.Planned(TicketIn(submitted), PlanIn(domain), now());
  }
  Code Submit(SessionTable& table, const std::string& tenant, const Envelope& envelope) {
    const Actions actions = table.SubmitReceived(Of(tenant), envelope, now());
    return Words(actions) == "plan" ? Code::kOk : FinalIn(actions, kClient).code;
  }
};

// ---- keys ----

TEST_F(SessionTenants, ARunSaysForWhomUnitsAreImportedAndUnderWhichKeys) {
  Ready(kWorkerA);
  const auto run = RunIn(StartIn(kDomain, IdOf(1)));
  EXPECT_EQ(run.tenant, "acme");
  EXPECT_EQ(run.domain, kDomain);
  EXPECT_FALSE(run.warming);
}

TEST_F(SessionTenants, AUnitOfAnotherDomainIsNoReasonToGoToAWorker) {
  for (const auto& [unit, home] : {std::pair{KeyIn(kDomain), kWorkerB}, {KeyIn(0), kWorkerA}}) {
    Ready(home);
    table_.ResidencyReceived(home, {.seq = 2, .added = {unit}}, now());
  }
  const auto tokens = [&](uint64_t domain, uint8_t id) {
    StartIn(domain, IdOf(id));
    const auto all = [](const RequestReport&) { return true; };
    const RouteReport route = table_.Explain(IdOf(id), all)->attempts.at(0).routes.at(0);
    table_.CancelReceived(Of("acme"), IdOf(id), now());
    return route.worker + " " + std::to_string(route.device_tokens);
  };
  EXPECT_EQ(tokens(kDomain, 1), "w12 8");
  EXPECT_EQ(tokens(0, 2), "w11 8");
  EXPECT_THAT(tokens(kDomain + 1, 3), HasSubstr(" 0"));
}

TEST_F(SessionTenants, WhatTheStoreLacksIsForgottenUnderItsOwnKeyOnly) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.prefill_tokens_per_s = 10, .remote = {.bytes_per_s = 1e9}},
                           now());
  const std::vector<UnitKey> keys = {KeyIn(kDomain), KeyIn(0)};
  table_.ResidencyReceived(kWorkerA, {.seq = 2, .added = keys}, now());
  table_.ResidencyReceived(kWorkerA, {.seq = 3, .removed = keys}, now());
  StartIn(kDomain, IdOf(1));
  Envelope final = FinalOk(IdWithin("acme", IdOf(1)));
  final.body = Final{.usage = {.units = {{.digest = RecipeOf(5), .miss_reason = "not stored"}}}};
  table_.FinalReceived(kWorkerA, final, now());
  const auto seconds = [&](uint64_t domain) {
    const RouteRequest request = table_.workers().Describe(PlanIn(domain).plan, domain);
    return table_.workers().fleet().Estimate(request, Routed(kWorkerA)).work.total_s();
  };
  EXPECT_GT(seconds(kDomain), seconds(0) + 0.5) << "it is encoded";
}

TEST_F(SessionTenants, AWarmUpSaysThatNobodyAskedForIt) {
  const Actions actions =
      table_.WorkerIsReady(kWorkerA, "w", ReadyWorker(), {PlanIn(kDomain)}, now());
  const auto run = RunIn(actions);
  EXPECT_TRUE(run.warming);
  EXPECT_EQ(run.domain, kDomain);
  EXPECT_EQ(run.tenant, "acme");
}

// ---- limits ----

class SessionLimitsOfTenants : public SessionTenants {
 protected:
  SessionTable limited_{
      CostRouter(), {.tenants = *TenantLimits::Parse({"acme requests=2"})}, clock_.Now()};
};

TEST_F(SessionLimitsOfTenants, ATenantWithAsManyRequestsAsItMayHaveIsBusyAndOthersAreNot) {
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(1))), Code::kOk);
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(2))), Code::kOk);
  const Actions refused = limited_.SubmitReceived(Of("acme"), SubmitOf(IdOf(3)), now());
  const Final final = FinalIn(refused, kClient);
  EXPECT_EQ(final.code, Code::kBusy);
  EXPECT_THAT(final.message, HasSubstr("'acme'"));
  EXPECT_GT(final.retry_after_ms, 0u);
  EXPECT_EQ(limited_.counters().over_limit, 1u);
  EXPECT_EQ(Submit(limited_, "other", SubmitOf(IdOf(3))), Code::kOk);
  EXPECT_EQ(Submit(limited_, "", SubmitOf(IdOf(4))), Code::kOk);
}

TEST_F(SessionLimitsOfTenants, ARequestThatEndsMakesRoom) {
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(1))), Code::kOk);
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(2))), Code::kOk);
  limited_.CancelReceived(Of("acme"), IdOf(1), now());
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(3))), Code::kOk);
  limited_.ClientGone(kClient, now());
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(4))), Code::kOk);
}

TEST_F(SessionLimitsOfTenants, WhatAnotherCoordinatorHadAcceptedIsTakenBeyondTheLimit) {
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(1))), Code::kOk);
  EXPECT_EQ(Submit(limited_, "acme", SubmitOf(IdOf(2))), Code::kOk);
  Envelope again = SubmitOf(IdOf(3));
  std::get<promptcache::Submit>(again.body).tried = {"tcp://127.0.0.1:1"};
  EXPECT_EQ(Submit(limited_, "acme", again), Code::kOk);
}

// ---- turns ----

// One worker that computes a token a second, and has ten seconds of work after the first request.
// Each of the others takes two.
class SessionTurnsOfTenants : public SessionTenants {
 protected:
  SessionTurnsOfTenants() {
    crowded_.WorkerIsReady(kWorkerA, "w", ReadyWorker(), {}, now());
    crowded_.ResidencyReceived(kWorkerA, {.seq = 1, .snapshot = true}, now());
    crowded_.HeartbeatReceived(kWorkerA, {.prefill_tokens_per_s = 1}, now());
  }

  std::string StartOf(const Submitter& client, uint8_t id, uint64_t timeout_ms) {
    const auto submitted = crowded_.SubmitReceived(client, SubmitOf(IdOf(id), timeout_ms), now());
    return Words(crowded_.Planned(TicketIn(submitted), PlanIn(0), now()));
  }
  void StartTen(const Submitter& client) {
    for (uint8_t id = 1; id <= 10; ++id) StartOf(client, id, 60'000);
    EXPECT_EQ(crowded_.waiting(), 9u);
  }

  SessionTable crowded_{CostRouter(), {.max_active_requests = 64}, clock_.Now()};
};

TEST_F(SessionTurnsOfTenants, ATenantIsNotRefusedBecauseAnotherOneHasMuchWaiting) {
  StartTen(Of("loud"));
  EXPECT_EQ(StartOf(Of("loud"), 11, 15'000), "client 1: final busy");
  EXPECT_EQ(StartOf(Of("quiet"), 12, 15'000), "client 1: accepted");
  EXPECT_EQ(StartOf(Of("quiet"), 13, 15'000), "client 1: final busy") << "12 and one of the other";
}

TEST_F(SessionTurnsOfTenants, NobodyIsRefusedBecauseBatchesWait) {
  StartTen({.peer = kClient, .tenant = "loud", .in_background = true});
  EXPECT_EQ(StartOf(Of("loud"), 11, 15'000), "client 1: accepted");
  EXPECT_EQ(StartOf({.peer = kClient, .tenant = "other", .in_background = true}, 12, 13'000),
            "client 1: final busy")
      << "what is not in the background goes first";
}

// ---- places ----

class SessionShareOfTenants : public SessionTenants {
 protected:
  size_t AdmittedOf(const Submitter& client, uint8_t first_id) {
    size_t admitted = 0;
    for (uint8_t n = 0; n < 20; ++n) {
      const auto id = static_cast<uint8_t>(first_id + n);
      admitted += Words(shared_.SubmitReceived(client, SubmitOf(IdOf(id)), now())) == "plan";
    }
    return admitted;
  }

  SessionTable shared_{CostRouter(), {.max_active_requests = 16}, clock_.Now()};
};

TEST_F(SessionShareOfTenants, ATenantLeavesAsManyPlacesFreeAsItHas) {
  EXPECT_EQ(AdmittedOf(Of("acme"), 0), 8u);
  EXPECT_EQ(AdmittedOf(Of("other"), 20), 4u);
  EXPECT_EQ(AdmittedOf({.peer = kClient, .key = "somebody"}, 40), 2u);
  const Final refused =
      FinalIn(shared_.SubmitReceived(Of("acme"), SubmitOf(IdOf(60)), now()), kClient);
  EXPECT_EQ(refused.code, Code::kBusy);
  EXPECT_THAT(refused.message, HasSubstr("8 requests of the tenant 'acme'"));
  EXPECT_GT(refused.retry_after_ms, 0u);
  EXPECT_EQ(Submit(shared_, "third", SubmitOf(IdOf(61))), Code::kOk);
}

TEST_F(SessionShareOfTenants, WithoutKeysThereAreNoTenantsToLeaveRoomFor) {
  EXPECT_EQ(AdmittedOf({.peer = kClient}, 0), 16u);
}

TEST_F(SessionShareOfTenants, WhatAnotherCoordinatorHadAcceptedTakesWhatIsLeftFreeToo) {
  EXPECT_EQ(AdmittedOf(Of("acme"), 0), 8u);
  Envelope again = SubmitOf(IdOf(60));
  std::get<promptcache::Submit>(again.body).tried = {"tcp://127.0.0.1:1"};
  EXPECT_EQ(Submit(shared_, "acme", again), Code::kOk);
}

}  // namespace
}  // namespace promptcache::testing
