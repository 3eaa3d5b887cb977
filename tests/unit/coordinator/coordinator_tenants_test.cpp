// Tenants of one coordinator: what one of them has is not there for another.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include <cstring>

#include "common/log.h"
#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHello[] = "<prompt schema=\"support\">hello</prompt>";

class TenantsTest : public CoordinatorTest {
 protected:
  TenantsTest() { settings_.store_endpoint = FakeStore::kEndpoint; }

  void StartWithTenants() {
    Start();
    acme_ = ClientOf("acme");
    other_ = ClientOf("other");
    worker_ = Worker();
  }
  void Share(TestPeer& client) {
    client.Send(IdOf(++last_id_), SchemaAdd{.document = kSupportSchema, .shared = true});
    Pass();
  }
  // What the worker is told to run for the client's prompt, which then ends.
  promptcache::Run RunOf(TestPeer& client) {
    const RequestId id = SendPrompt(client, kHello);
    const Envelope told = worker_->inbox().back();
    const auto* run = std::get_if<promptcache::Run>(&told.body);
    EXPECT_NE(run, nullptr) << client.Words();
    if (run == nullptr) return {};
    worker_->Send(told.request_id, Final{});
    Pass();
    EXPECT_EQ(client.Last<Final>(id).code, Code::kOk);
    last_request_ = id;
    return *run;
  }
  UnitKey KeyIn(const promptcache::Run& run) const {
    return MakeUnitKey(ReadyFor(model_).identity.Digest(), run.domain, run.plan.units[0].digest);
  }
  // Of the client's last prompt, how many tokens its worker was thought to have.
  uint64_t DeviceTokens(TestPeer& client) {
    RunOf(client);
    const auto ops = ClientOf("", PeerRole::kAdmin);
    return ExplainedTo(*ops).attempts.at(0).routes.at(0).device_tokens;
  }
  // The last request.
  RequestReport ExplainedTo(TestPeer& client) {
    client.Send(IdOf(250), ExplainQuery{last_request_});
    Pass();
    return client.Last<ExplainReply>(IdOf(250)).requests.at(0);
  }
  size_t ListedFor(TestPeer& client) {
    client.Send(IdOf(251), SchemaList{});
    Pass();
    return client.Last<SchemaReply>(IdOf(251)).schemas.size();
  }

  std::unique_ptr<TestPeer> acme_;
  std::unique_ptr<TestPeer> other_;
  std::unique_ptr<TestPeer> worker_;
  RequestId last_request_;
};

TEST_F(TenantsTest, ASchemaIsThereForItsTenantAndForNobodyElse) {
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  EXPECT_EQ(ListedFor(*acme_), 1u);
  EXPECT_EQ(ListedFor(*other_), 0u);
  EXPECT_EQ(RunOf(*acme_).schema, "support");
  EXPECT_EQ(Failure(*other_, kHello).code, Code::kNotFound);
  const auto ops = ClientOf("", PeerRole::kAdmin);
  EXPECT_EQ(ListedFor(*ops), 1u);
}

TEST_F(TenantsTest, UnitsOfASharedSchemaAreEverybodysAndImportedForWhoAsks) {
  StartWithTenants();
  Share(*acme_);
  for (const auto& [client, tenant] : {std::pair{acme_.get(), "acme"}, {other_.get(), "other"}}) {
    const auto run = RunOf(*client);
    EXPECT_EQ(run.domain, 0u);
    EXPECT_EQ(run.tenant, tenant);
    EXPECT_FALSE(run.warming);
  }
}

TEST_F(TenantsTest, UnitsOfTheSameTextHaveOtherKeysForAnotherTenant) {
  StartWithTenants();
  const auto nobody = Client("nobody");
  Register(*acme_, kSupportSchema);
  Register(*other_, kSupportSchema);
  Register(*nobody, kSupportSchema);
  const auto a = RunOf(*acme_);
  const auto b = RunOf(*other_);
  EXPECT_EQ(a.plan.units, b.plan.units);
  EXPECT_NE(a.domain, 0u);
  EXPECT_NE(b.domain, 0u);
  EXPECT_NE(KeyIn(a), KeyIn(b));
  const auto none = RunOf(*nobody);
  EXPECT_EQ(none.domain, 0u);
  EXPECT_EQ(none.tenant, "");
}

TEST_F(TenantsTest, WhatAWorkerHasOfOneTenantIsNoHitInRoutingForAnother) {
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  Register(*other_, kSupportSchema);
  const UnitKey key = KeyIn(RunOf(*acme_));
  worker_->Send({}, Residency{.seq = 2, .added = {key}});
  Pass();
  EXPECT_GT(DeviceTokens(*acme_), 0u);
  EXPECT_EQ(DeviceTokens(*other_), 0u);
}

TEST_F(TenantsTest, WhatHappenedToARequestOnlyItsTenantAndOperatorsHear) {
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  RunOf(*acme_);
  other_->Send(IdOf(250), ExplainQuery{last_request_});
  Pass();
  EXPECT_EQ(other_->Last<Reply>(IdOf(250)).code, Code::kNotFound);
  const auto ops = ClientOf("", PeerRole::kAdmin);
  EXPECT_EQ(ExplainedTo(*ops).tenant, "acme");
}

TEST_F(TenantsTest, PromptsOfOneTenantDoNotHoldUpThoseOfAnother) {
  StartWithTenants();
  Share(*acme_);
  planning_->Hold();
  const std::string large = "<!--" + std::string(512 << 10, '.') + "-->" + kHello;
  for (int i = 0; i < 10; ++i) SendPrompt(*acme_, large);
  SendPrompt(*other_, kHello);
  planning_->Release();
  Pass();
  std::vector<std::string> given;  // as many as the worker takes
  for (const Envelope& told : worker_->inbox()) {
    const auto* run = std::get_if<promptcache::Run>(&told.body);
    if (run != nullptr) given.push_back(run->tenant);
  }
  EXPECT_LT(given.size(), 10u);
  EXPECT_THAT(given, Contains("other"));
}

TEST_F(TenantsTest, ScoresOfWorkersAreToldToOperatorsOnly) {
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  RunOf(*acme_);
  const AttemptReport told = ExplainedTo(*acme_).attempts.at(0);
  EXPECT_EQ(told.worker, "w1");
  EXPECT_TRUE(told.routes.empty());
  acme_->Send(IdOf(252), ExplainQuery{});
  Pass();
  EXPECT_TRUE(acme_->Last<ExplainReply>(IdOf(252)).requests.at(0).attempts.at(0).routes.empty());
  const auto ops = ClientOf("", PeerRole::kAdmin);
  EXPECT_EQ(ExplainedTo(*ops).attempts.at(0).routes.size(), 1u);
}

TEST_F(TenantsTest, StatusTellsATenantNothingOfWhatOthersDo) {
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  const auto without_time = [&](TestPeer& client) {
    StatusReply status = StatusFor(client);
    status.uptime_ms = 0;
    return status;
  };
  const StatusReply before = without_time(*other_);
  EXPECT_EQ(before.model, "toy");
  EXPECT_EQ(before.workers.at(0).slots, 2u);
  RunOf(*acme_);
  SendPrompt(*acme_, kHello);
  Failure(*acme_, "<prompt schema=\"nobody\">hello</prompt>");
  worker_->Send({}, Heartbeat{.active = 1, .queued = 1, .units = 3, .unit_bytes = 4096});
  Pass();
  EXPECT_EQ(without_time(*other_), before);
  EXPECT_EQ(StatusFor(*acme_).requests_active, 1u) << "of its own it hears";
  const auto ops = ClientOf("", PeerRole::kAdmin);
  const StatusReply all = StatusFor(*ops);
  EXPECT_EQ(all.requests_active, 1u);
  EXPECT_EQ(all.requests_accepted, 2u);
  EXPECT_EQ(all.schemas, 1u);
  EXPECT_EQ(all.workers.at(0).active, 1u);
  EXPECT_EQ(all.workers.at(0).assigned, 1u);
}

TEST_F(TenantsTest, SchemasAndKeysOfATenantSurviveARestart) {
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  const uint64_t domain = RunOf(*acme_).domain;
  acme_.reset();
  other_.reset();
  worker_.reset();
  coordinator_.reset();
  transport_.reset();
  store_.reset();
  StartWithTenants();
  EXPECT_EQ(RunOf(*acme_).domain, domain);
  EXPECT_EQ(ListedFor(*other_), 0u);
}

TEST_F(TenantsTest, WithoutAStoreTenantsHaveKeysOfTheirOwnTooUntilTheEnd) {
  settings_.store_endpoint.clear();
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  const uint64_t domain = RunOf(*acme_).domain;
  EXPECT_NE(domain, 0u);
  EXPECT_EQ(RunOf(*acme_).domain, domain);
}

TEST_F(TenantsTest, ASharedNameIsSharedOnce) {
  StartWithTenants();
  Share(*acme_);
  const RequestId id = IdOf(200);
  other_->Send(id, SchemaAdd{.document = kSupportSchema, .shared = true});
  Pass();
  EXPECT_EQ(other_->Last<Reply>(id).code, Code::kAlreadyExists);
  other_->Send(IdOf(201), SchemaRemove{"support"});
  Pass();
  EXPECT_EQ(other_->Last<Reply>(IdOf(201)).code, Code::kFailedPrecondition);
}

TEST_F(TenantsTest, AWorkerIsWarmedWithATenantsSchemaUnderItsKeys) {
  settings_.warm = {"acme/support@latest"};
  Start();
  acme_ = ClientOf("acme");
  Register(*acme_, kSupportSchema);
  worker_ = Worker();
  const Envelope told = worker_->inbox().back();
  const auto& warm = std::get<promptcache::Run>(told.body);
  EXPECT_TRUE(warm.warming);
  EXPECT_EQ(warm.tenant, "acme");
  worker_->Send(told.request_id, Final{});
  Pass();
  EXPECT_EQ(RunOf(*acme_).domain, warm.domain);
}

// Every client is greeted with when that was, and could use the id first.
TEST_F(TenantsTest, TheIdOfAWarmUpDoesNotFollowFromWhenTheCoordinatorBegan) {
  const auto began = static_cast<uint64_t>(network_.clock().Now().time_since_epoch().count());
  settings_.warm = {"acme/support@latest"};
  Start();
  acme_ = ClientOf("acme");
  Register(*acme_, kSupportSchema);
  worker_ = Worker();
  const RequestId id = worker_->inbox().back().request_id;
  uint64_t salt = 0;
  std::memcpy(&salt, &id.bytes[sizeof(salt)], sizeof(salt));
  EXPECT_NE(salt, began);
}

TEST_F(TenantsTest, TheSecretIsInNoLog) {
  InitLog("test", LogLevel::kDebug, LogFormat::kText);
  ::testing::internal::CaptureStderr();
  StartWithTenants();
  Register(*acme_, kSupportSchema);
  const uint64_t domain = RunOf(*acme_).domain;
  Failure(*other_, kHello);
  const std::string log = ::testing::internal::GetCapturedStderr();
  InitLog("test", LogLevel::kWarning, LogFormat::kText);
  EXPECT_THAT(log, HasSubstr("schema registered"));
  EXPECT_THAT(log, Not(HasSubstr(std::to_string(domain))));
  EXPECT_THAT(log, Not(HasSubstr(fmt::format("{:x}", domain))));
}

}  // namespace
}  // namespace promptcache::testing
