// Schemas, the cachestore behind them, and the status of a whole coordinator.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr char kHello[] = "<prompt schema=\"support\">hello</prompt>";

class SchemasTest : public CoordinatorTest {
 protected:
  SchemasTest() { settings_.store_endpoint = FakeStore::kEndpoint; }

  // Starts, with the store when it is to be there.
  void StartWithClient() {
    Start();
    client_ = Client();
  }
  // Starts, and the store that the settings name is not there.
  void StartWithoutStore() {
    transport_ = std::make_unique<FakeTransport>(network_, "coordinator");
    coordinator_ = *Coordinator::Create(*transport_, settings_, model_, Deps());
    client_ = Client();
  }
  // The Reply to a request.
  Reply Ask(Message request) {
    const RequestId id = IdOf(++last_id_);
    client_->Send(id, std::move(request));
    Pass(seconds(30));
    return client_->Last<Reply>(id);
  }

  std::unique_ptr<TestPeer> client_;
};

TEST_F(SchemasTest, SchemasAreRegisteredListedAndRemoved) {
  StartWithClient();
  const std::string version = Register(*client_, kSupportSchema);
  client_->Send(IdOf(200), SchemaList{});
  Pass();
  const auto all = client_->Last<SchemaReply>(IdOf(200)).schemas;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "support");
  EXPECT_EQ(all[0].version, version);
  EXPECT_EQ(all[0].units, 4u);
  EXPECT_GE(all[0].registered_unix_ms, 1'700'000'000'000u);
  client_->Send(IdOf(201), SchemaList{"support"});
  Pass();
  EXPECT_EQ(client_->Last<SchemaReply>(IdOf(201)).schemas.at(0).document, kSupportSchema);
  EXPECT_EQ(Ask(SchemaRemove{"support@" + version}).code, Code::kOk);
  EXPECT_EQ(Ask(SchemaList{"support"}).code, Code::kNotFound);
  EXPECT_EQ(Ask(SchemaRemove{"support"}).code, Code::kNotFound);
}

TEST_F(SchemasTest, NamesThatWaitAreShort) {
  StartWithClient();
  const std::string name(1025, 'n');
  EXPECT_EQ(Ask(SchemaList{name}).code, Code::kInvalidArgument);
  EXPECT_EQ(Ask(SchemaRemove{name}).code, Code::kInvalidArgument);
}

TEST_F(SchemasTest, BadSchemaIsRefusedWithFileLineAndColumn) {
  StartWithClient();
  const Reply reply =
      Ask(SchemaAdd{.file = "bad.xml", .document = "<schema name=\"s\">\n  <nope/></schema>"});
  EXPECT_EQ(reply.code, Code::kInvalidArgument);
  EXPECT_THAT(reply.message, HasSubstr("bad.xml:2:3"));
}

TEST_F(SchemasTest, ErrorsDoNotRepeatALongFileName) {
  StartWithClient();
  std::string document = "<schema name=\"s\">";
  for (int n = 0; n < 20; ++n) document += "<nope/>";
  document += "</schema>";
  const Reply reply =
      Ask(SchemaAdd{.file = std::string(1 << 20, '\x01'), .document = std::move(document)});
  EXPECT_EQ(reply.code, Code::kInvalidArgument);
  EXPECT_LT(reply.message.size(), 64u << 10);
}

TEST_F(SchemasTest, SchemaThatDoesNotFitTheContextIsRefused) {
  StartWithClient();
  std::string words;
  for (uint32_t n = 0; n <= kContext; ++n) words += " w" + std::to_string(n);
  const Reply reply = Ask(SchemaAdd{.document = "<schema name=\"s\">" + words + "</schema>"});
  EXPECT_EQ(reply.code, Code::kInvalidArgument);
  EXPECT_THAT(reply.message, HasSubstr(std::to_string(kContext)));
}

TEST_F(SchemasTest, RestartedCoordinatorServesWhatWasRegistered) {
  StartWithClient();
  Register(*client_, kSupportSchema);
  client_.reset();
  coordinator_.reset();
  transport_.reset();
  store_.reset();
  StartWithClient();
  const auto worker = Worker();
  const RequestId id = SendPrompt(*client_, kHello);
  EXPECT_EQ(client_->Last<Accepted>(id).schema, "support");
}

TEST_F(SchemasTest, StoreThatGoesTakesRegistrationWithItButNotTheRequests) {
  StartWithClient();
  Register(*client_, kSupportSchema);
  const auto worker = Worker();
  EXPECT_TRUE(StatusFor(*client_).meta_available);
  store_.reset();
  Pass(seconds(5));
  EXPECT_FALSE(StatusFor(*client_).meta_available);
  const Reply added = Ask(SchemaAdd{.document = "<schema name=\"t\">x</schema>"});
  EXPECT_EQ(added.code, Code::kUnavailable);
  EXPECT_THAT(added.message, HasSubstr(FakeStore::kEndpoint));
  EXPECT_EQ(Ask(SchemaRemove{"support"}).code, Code::kUnavailable);
  const RequestId id = SendPrompt(*client_, kHello);
  worker->Send(id, Final{});
  Pass();
  EXPECT_EQ(client_->Last<Final>(id).code, Code::kOk);
}

TEST_F(SchemasTest, UntilSchemasAreLoadedPromptsAreAnsweredUnavailable) {
  StartWithoutStore();
  bool ready = false;
  coordinator_->WhenReady([&] { ready = true; });
  const Final final = Failure(*client_, kHello);
  EXPECT_EQ(final.code, Code::kUnavailable);
  EXPECT_THAT(final.message, HasSubstr("not reachable"));
  EXPECT_FALSE(ready);
  store_.emplace(network_, records_);
  Pass(seconds(10));
  EXPECT_TRUE(ready);
  EXPECT_EQ(Failure(*client_, kHello).code, Code::kNotFound);
}

TEST_F(SchemasTest, AnswerThatDoesNotFitAMessageIsAnErrorAndTheClientStays) {
  settings_.store_endpoint.clear();
  settings_.max_schema_bytes = 1 << 20;
  settings_.max_prompt_bytes = 1 << 20;
  StartWithClient();
  const std::string padding(1'040'000, ' ');
  for (int n = 0; n < 18; ++n) {
    Register(*client_,
             "<schema name=\"s\">text" + std::to_string(n) + "<!--" + padding + "--></schema>");
  }
  const Reply reply = Ask(SchemaList{"s"});
  EXPECT_EQ(reply.code, Code::kResourceExhausted);
  EXPECT_TRUE(client_->up());
}

TEST_F(SchemasTest, PromptsThatWaitForSchemasAreBoundedByBytesAlsoWhenTheyAreCancelled) {
  settings_.max_prompt_bytes = 64 << 20;
  StartWithoutStore();
  Submit submit = SubmitOf(std::string(64 << 20, 'x'));
  submit.tried = {"tcp://127.0.0.1:1"};
  for (uint8_t n = 0; n < 5; ++n) {
    client_->Send(IdOf(n + 1), submit);
    client_->Send(IdOf(n + 1), Cancel{});
    Pass();
  }
  EXPECT_EQ(client_->Last<Final>(IdOf(1)).code, Code::kCancelled);
  EXPECT_EQ(client_->Last<Final>(IdOf(5)).code, Code::kBusy);
}

TEST_F(SchemasTest, PromptsOfUnknownSchemasThatWaitForTheStoreAreBoundedByBytes) {
  settings_.max_prompt_bytes = 64 << 20;
  StartWithClient();
  store_->SetSilent(true);
  const std::string prompt =
      "<prompt schema=\"nope\"><!--" + std::string(60 << 20, ' ') + "-->hello</prompt>";
  for (uint8_t n = 1; n <= 5; ++n) client_->Send(IdOf(n), SubmitOf(prompt));
  Pass();
  EXPECT_EQ(client_->Last<Final>(IdOf(5)).code, Code::kBusy);
  Pass(seconds(30));
  EXPECT_EQ(client_->Last<Final>(IdOf(1)).code, Code::kNotFound);
}

TEST_F(SchemasTest, WhatCannotBeLookedUpForTooManyWaitIsBusyAndNotCalledUnknown) {
  StartWithClient();
  store_->SetSilent(true);
  for (int n = 0; n < 2'100; ++n) {
    client_->Send(IdOf(1), SchemaList{"s"});
    if (n % 500 == 0) network_.RunUntilIdle();
  }
  client_->Send(IdOf(2), SubmitOf("<prompt schema=\"nope\">hello</prompt>"));
  network_.RunUntilIdle();
  EXPECT_EQ(client_->Last<Reply>(IdOf(1)).code, Code::kBusy);
  EXPECT_EQ(client_->Last<Final>(IdOf(2)).code, Code::kBusy);
}

TEST_F(SchemasTest, AClientThatDoesNotReadGetsNoMoreLargeAnswers) {
  settings_.store_endpoint.clear();
  settings_.max_schema_bytes = 1 << 20;
  settings_.max_prompt_bytes = 1 << 20;
  StartWithClient();
  Register(*client_, "<schema name=\"s\">text<!--" + std::string(1'000'000, ' ') + "--></schema>");
  std::vector<Frame> unread;
  network_.SetFilter([&](const FakeNetwork::Delivery& delivery) {
    if (delivery.to != "client" || delivery.frames.header.size() < 100'000) {
      return FakeNetwork::Verdict::kDeliver;
    }
    unread.push_back(delivery.frames.header);
    return FakeNetwork::Verdict::kDrop;
  });
  for (int n = 0; n < 200; ++n) client_->Send(IdOf(static_cast<uint8_t>(n)), SchemaList{"s"});
  Pass();
  EXPECT_GE(unread.size(), 10u);
  EXPECT_LE(unread.size(), 4u * 17);  // of 17 MiB is the largest message
  EXPECT_EQ(client_->Last<Reply>(IdOf(199)).code, Code::kBusy);
  EXPECT_EQ(Ask(StatusQuery{}).code, Code::kBusy);
  unread.clear();
  network_.SetFilter(nullptr);
  client_->Send(IdOf(201), SchemaList{"s"});
  Pass();
  EXPECT_EQ(client_->Last<SchemaReply>(IdOf(201)).schemas.size(), 1u);
}

// ---- status ----

TEST_F(SchemasTest, StatusCountsRequestsSchemasAndWorkers) {
  StartWithClient();
  Register(*client_, kSupportSchema);
  const auto worker = Worker("w1");
  worker->Send({}, Heartbeat{.active = 1,
                             .queued = 2,
                             .units = 3,
                             .unit_bytes = 4,
                             .requests = 5,
                             .prefill_tokens_per_s = 6.5});
  const RequestId done = SendPrompt(*client_, kHello);
  worker->Send(done, Final{});
  SendPrompt(*client_, kHello);
  SendPrompt(*client_, "<prompt schema=\"nope\">x</prompt>");

  const StatusReply status = StatusFor(*client_);
  EXPECT_EQ(status.coordinator, coordinator_->endpoints().client);
  EXPECT_GT(status.pid, 0u);
  EXPECT_GE(status.uptime_ms, 3'000u);
  EXPECT_TRUE(status.meta_available);
  EXPECT_EQ(status.model, "toy");
  EXPECT_EQ(status.context_length, kContext);
  EXPECT_EQ(status.schemas, 1u);
  EXPECT_EQ(status.requests_active, 1u);
  EXPECT_EQ(status.requests_accepted, 2u);
  EXPECT_EQ(status.requests_failed, 1u);
  EXPECT_EQ(status.bad_frames, 0u);
  WorkerStatus expected{.name = "w1",
                        .pid = 7,
                        .model = "toy",
                        .device = "cpu",
                        .identity = ReadyFor(model_).identity,
                        .live = true,
                        .active = 1,
                        .queued = 2,
                        .slots = 2,
                        .units = 3,
                        .unit_bytes = 4,
                        .requests = 5,
                        .prefill_tokens_per_s = 6.5};
  ASSERT_EQ(status.workers.size(), 1u);
  EXPECT_EQ(status.workers[0].assigned, 1u);
  EXPECT_GT(status.workers[0].backlog_seconds, 0);
  expected.assigned = status.workers[0].assigned;
  expected.backlog_seconds = status.workers[0].backlog_seconds;
  EXPECT_EQ(status.workers, std::vector<WorkerStatus>{expected});
  EXPECT_EQ(status.policy, "cost");
}

TEST_F(SchemasTest, EndpointInUseIsNamed) {
  StartWithClient();
  FakeTransport other(network_, "other");
  const auto second = Coordinator::Create(other, settings_, model_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(settings_.client_endpoint));
}

// ---- warm sets ----

TEST_F(SchemasTest, AWorkerGetsRequestsOnceTheWarmSetIsThere) {
  settings_.warm = {"support@latest"};
  StartWithClient();
  Register(*client_, kSupportSchema);
  const auto worker = Worker();
  const Envelope warm = worker->inbox().back();
  const auto& run = std::get<promptcache::Run>(warm.body);
  EXPECT_EQ(run.plan.units.size(), 4u);
  EXPECT_EQ(run.options.max_new_tokens, 0u);
  const RequestId id = SendPrompt(*client_, kHello);
  EXPECT_EQ(client_->Words(), "accepted");
  EXPECT_EQ(worker->inbox().back().request_id, warm.request_id);
  worker->Send(warm.request_id, Final{});
  Pass();
  EXPECT_EQ(worker->inbox().back().request_id, id);
}

TEST_F(SchemasTest, ASchemaThatNobodyRegisteredIsNoWarmSet) {
  settings_.warm = {"support@latest", "unknown"};
  StartWithClient();
  Register(*client_, kSupportSchema);
  const auto worker = Worker();
  EXPECT_EQ(worker->Words(), "run attempt 0; resync");
  worker->Send({}, Residency{.seq = 1, .snapshot = true});
  worker->Send(std::prev(worker->inbox().end(), 2)->request_id, Final{});
  const RequestId id = SendPrompt(*client_, kHello);
  EXPECT_EQ(worker->inbox().back().request_id, id);
}

TEST_F(SchemasTest, APolicyThatDoesNotExistIsNamed) {
  settings_.policy = "random";
  transport_ = std::make_unique<FakeTransport>(network_, "coordinator");
  const auto coordinator = Coordinator::Create(*transport_, settings_, model_, Deps());
  EXPECT_THAT(coordinator.status().message(), HasSubstr("random"));
}

}  // namespace
}  // namespace promptcache::testing
