// Requests through a whole coordinator: what clients and workers see.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kHello[] = "<prompt schema=\"support\">hello</prompt>";

class RequestsTest : public CoordinatorTest {
 protected:
  RequestsTest() {
    Start();
    client_ = Client();
    version_ = Register(*client_, kSupportSchema);
  }
  // What the worker would answer.
  void Answer(TestPeer& worker, const RequestId& id, uint32_t attempt = 0) {
    worker.Send(id, Partial{.seq = 0, .tokens = {7}, .text = "hi"}, attempt);
    worker.Send(id, Final{.usage = {.worker = "w1", .generated_tokens = 1}}, attempt);
    Pass();
  }

  std::unique_ptr<TestPeer> client_;
  std::string version_;
};

TEST_F(RequestsTest, PromptIsPlannedRunAndItsAnswerStreamed) {
  const auto worker = Worker();
  const RequestId id =
      SendPrompt(*client_, "<prompt schema=\"support\"><short/>hello you</prompt>");
  EXPECT_EQ(client_->Words(), "accepted");
  const auto accepted = client_->Last<Accepted>(id);
  EXPECT_EQ(accepted.schema, "support");
  EXPECT_EQ(accepted.version, version_);

  EXPECT_EQ(worker->Words(), "run attempt 0");
  const Plan plan = worker->Last<promptcache::Run>(id).plan;
  EXPECT_TRUE(plan.Validate().ok());
  ASSERT_EQ(plan.units.size(), 2u);
  EXPECT_EQ(plan.units[0].path, "support");
  EXPECT_EQ(plan.units[1].path, "support/short");
  EXPECT_EQ(plan.new_tokens.size(), 2u);
  EXPECT_EQ(accepted.prompt_tokens, plan.cached_tokens() + plan.new_tokens.size());

  Answer(*worker, id);
  EXPECT_EQ(client_->Words(), "partial 0; final ok");
  EXPECT_EQ(client_->Last<Partial>(id).text, "hi");
  EXPECT_EQ(client_->Last<Final>(id).usage.generated_tokens, 1u);
}

TEST_F(RequestsTest, ManyRequestsOfTwoClientsEndOnceEachForTheirOwnClient) {
  const auto worker = Worker();
  const auto other = Client("other");
  std::vector<RequestId> ids;
  for (int n = 0; n < 20; ++n) ids.push_back(SendPrompt(n % 2 == 0 ? *client_ : *other, kHello));
  for (const RequestId& id : ids) Answer(*worker, id);
  for (const TestPeer* peer : {client_.get(), other.get()}) {
    std::map<RequestId, int> finals;
    for (const Envelope& envelope : peer->inbox()) {
      finals[envelope.request_id] += std::holds_alternative<Final>(envelope.body) ? 1 : 0;
    }
    for (size_t n = 0; n < ids.size(); ++n) {
      EXPECT_EQ(finals[ids[n]], (n % 2 == 0) == (peer == client_.get()) ? 1 : 0) << n;
    }
  }
  EXPECT_EQ(StatusFor(*client_).requests_active, 0u);
}

// ---- what is wrong with a prompt ----

TEST_F(RequestsTest, MalformedPromptIsAnsweredWithLineAndColumn) {
  const Final final = Failure(*client_, "<prompt schema=\"support\">\n  <short>\n</prompt>");
  EXPECT_EQ(final.code, Code::kInvalidArgument);
  EXPECT_THAT(final.message, HasSubstr("prompt:3:"));
}

TEST_F(RequestsTest, UnknownSchemaIsNamedWithThoseThatAreRegistered) {
  const Final final = Failure(*client_, "<prompt schema=\"sales\">hello</prompt>");
  EXPECT_EQ(final.code, Code::kNotFound);
  EXPECT_THAT(final.message, AllOf(HasSubstr("'sales'"), HasSubstr("support")));
}

TEST_F(RequestsTest, UnknownModuleIsNamedWithItsPlace) {
  const Final final = Failure(*client_, "<prompt schema=\"support\">\n<medium/>hello</prompt>");
  EXPECT_EQ(final.code, Code::kInvalidArgument);
  EXPECT_THAT(final.message, AllOf(HasSubstr("prompt:2:"), HasSubstr("medium")));
}

TEST_F(RequestsTest, TooLongArgumentIsNamedWithBothLengths) {
  const Final final =
      Failure(*client_, "<prompt schema=\"support\"><order number=\"1 2 3 4\"/>hello</prompt>");
  EXPECT_EQ(final.code, Code::kInvalidArgument);
  EXPECT_THAT(final.message,
              AllOf(HasSubstr("prompt:1:"), HasSubstr("number"), HasSubstr("4"), HasSubstr("3")));
}

TEST_F(RequestsTest, PromptThatDoesNotFitTheContextIsRefusedWithTheNumbers) {
  std::string words;
  for (uint32_t n = 0; n < kContext; ++n) words += " w" + std::to_string(n);
  const Final final = Failure(*client_, "<prompt schema=\"support\">" + words + "</prompt>");
  EXPECT_EQ(final.code, Code::kInvalidArgument);
  EXPECT_THAT(final.message, HasSubstr(std::to_string(kContext)));
}

TEST_F(RequestsTest, AnswerThatDoesNotFitTheContextIsRefusedWithoutAWordToAWorker) {
  const auto worker = Worker();
  for (const uint32_t samples : {1u, 2u}) {
    const RequestId id = IdOf(static_cast<uint8_t>(200 + samples));
    Submit submit = SubmitOf(kHello);
    submit.options.samples = samples;
    submit.options.max_new_tokens = kContext;
    client_->Send(id, submit);
    Pass();
    EXPECT_EQ(client_->Words(), "final invalid argument");
    EXPECT_THAT(client_->Last<Final>(id).message, HasSubstr(std::to_string(kContext)));
  }
  EXPECT_EQ(worker->Words(), "");
}

TEST_F(RequestsTest, PartsOfEverySampleReachTheClientAsTheyCome) {
  const auto worker = Worker();
  const RequestId id = IdOf(200);
  Submit submit = SubmitOf(kHello);
  submit.options.samples = 2;
  submit.options.logprobs = 1;
  client_->Send(id, submit);
  Pass();
  EXPECT_EQ(worker->Last<promptcache::Run>(id).options, submit.options);
  const Partial part{.seq = 0,
                     .tokens = {7},
                     .text = "hi",
                     .sample = 1,
                     .logprobs = {{{7, -0.5, "hi"}, {{7, -0.5, "hi"}}}}};
  const Final final{.usage = {.generated_tokens = 1, .samples = {{}, {FinishReason::kStop, 1}}}};
  worker->Send(id, part);
  worker->Send(id, final);
  Pass();
  EXPECT_EQ(client_->Last<Partial>(id), part);
  EXPECT_EQ(client_->Last<Final>(id).usage.samples, final.usage.samples);
}

TEST_F(RequestsTest, UnknownModelIsNamedWithTheOneThatIsServed) {
  const RequestId id = IdOf(200);
  client_->Send(id, Submit{.model = "other", .prompt = kHello});
  Pass();
  const auto final = client_->Last<Final>(id);
  EXPECT_EQ(final.code, Code::kNotFound);
  EXPECT_THAT(final.message, AllOf(HasSubstr("'other'"), HasSubstr("'toy'")));
}

TEST_F(RequestsTest, FailedPromptsLeaveNothingBehind) {
  for (const char* prompt : {"", "<", "<prompt/>", "<prompt schema=\"support\"><nope/></prompt>",
                             "<schema name=\"s\"/>", "\xFF", "<prompt schema=\"\">x</prompt>"}) {
    EXPECT_NE(Failure(*client_, prompt).code, Code::kOk) << prompt;
  }
  EXPECT_EQ(StatusFor(*client_).requests_active, 0u);
  EXPECT_EQ(StatusFor(*client_).requests_failed, 7u);
}

TEST_F(RequestsTest, FullBackgroundIsAnsweredBusy) {
  planning_->SetFull(true);
  const Final full = Failure(*client_, kHello);
  EXPECT_EQ(full.code, Code::kBusy);
  EXPECT_GT(full.retry_after_ms, 0u);
}

// ---- workers ----

TEST_F(RequestsTest, WithoutAWorkerTheAnswerSaysSoAfterTheWait) {
  const RequestId id = SendPrompt(*client_, kHello);
  EXPECT_EQ(client_->Words(), "accepted");
  Pass(milliseconds(settings_.worker_wait_ms + 100));
  EXPECT_EQ(client_->Words(), "final unavailable");
  EXPECT_THAT(client_->Last<Final>(id).message, HasSubstr("no worker is connected"));
}

TEST_F(RequestsTest, WorkerThatComesInTimeGetsTheWaitingRequest) {
  const RequestId id = SendPrompt(*client_, kHello);
  const auto worker = Worker();
  EXPECT_EQ(worker->Words(), "run attempt 0");
  Answer(*worker, id);
  EXPECT_EQ(client_->Words(), "accepted; partial 0; final ok");
}

TEST_F(RequestsTest, DeadWorkersRequestRunsAgainOnAnotherAfterTheLease) {
  auto worker = Worker("w1");
  const RequestId id = SendPrompt(*client_, kHello);
  const auto second = Worker("w2");
  worker.reset();
  Pass(milliseconds(settings_.lease_ms + 1'000));
  EXPECT_EQ(second->Words(), "run attempt 1");
  Answer(*second, id, 1);
  EXPECT_EQ(client_->Words(), "accepted; partial 0; final ok");
}

TEST_F(RequestsTest, DeadWorkersRequestGoesOnElsewhereBehindWhatWasDelivered) {
  auto worker = Worker("w1");
  const RequestId id = SendPrompt(*client_, kHello);
  const auto second = Worker("w2");
  worker->Send(id, Partial{.seq = 0, .tokens = {5}, .text = "hi"});
  Pass();
  worker.reset();
  Pass(milliseconds(settings_.lease_ms + 1'000));
  EXPECT_EQ(second->Last<promptcache::Run>(id).delivered,
            (Delivered{.parts = 1, .samples = {{5}}}));
  second->Send(id, Partial{.seq = 1, .tokens = {6}, .text = " you"}, 1);
  second->Send(id, Final{}, 1);
  Pass();
  EXPECT_EQ(client_->Words(), "accepted; partial 0; partial 1; final ok");
}

TEST_F(RequestsTest, ARequestIsExplainedToItsClient) {
  const auto worker = Worker("w1");
  const RequestId id = SendPrompt(*client_, kHello);
  Answer(*worker, id, 0);
  client_->Send(IdOf(200), ExplainQuery{.request = id});
  Pass();
  const auto reply = client_->Last<ExplainReply>(IdOf(200));
  ASSERT_EQ(reply.requests.size(), 1u);
  EXPECT_EQ(reply.requests[0].schema, "support");
  ASSERT_EQ(reply.requests[0].attempts.size(), 1u);
  EXPECT_EQ(reply.requests[0].attempts[0].worker, "w1");
  EXPECT_EQ(reply.requests[0].attempts[0].end, "ok");
}

TEST_F(RequestsTest, WorkerThatFallsSilentIsLostToo) {
  const auto worker = Worker();
  SendPrompt(*client_, kHello);
  network_.Partition("coordinator", "w1");
  Pass(milliseconds(settings_.lease_ms + 1'000));
  EXPECT_TRUE(StatusFor(*client_).workers.empty());
  Pass(milliseconds(settings_.worker_wait_ms));
  EXPECT_EQ(client_->Words(), "accepted; status_reply; final unavailable");
}

// ---- ends ----

TEST_F(RequestsTest, CancelReachesTheWorkerAndEndsTheRequest) {
  const auto worker = Worker();
  const RequestId id = SendPrompt(*client_, kHello);
  client_->Send(id, Cancel{});
  Pass();
  EXPECT_EQ(worker->Words(), "run attempt 0; cancel attempt 0");
  EXPECT_EQ(client_->Words(), "accepted; final cancelled");
}

TEST_F(RequestsTest, CancelWhileThePromptIsPlannedEndsItAndNothingRuns) {
  const auto worker = Worker();
  planning_->Hold();
  const RequestId id = SendPrompt(*client_, kHello);
  client_->Send(id, Cancel{});
  Pass();
  planning_->Release();
  Pass();
  EXPECT_EQ(client_->Words(), "final cancelled");
  EXPECT_EQ(worker->Words(), "");
}

TEST_F(RequestsTest, DeadlineOfTheClientIsKept) {
  const auto worker = Worker();
  const RequestId id = IdOf(200);
  client_->SendTimed(id, SubmitOf(kHello), seconds(2));
  Pass(milliseconds(1'900));
  EXPECT_EQ(client_->Words(), "accepted");
  Pass(milliseconds(200));
  EXPECT_EQ(client_->Words(), "final deadline exceeded");
  EXPECT_EQ(worker->Words(), "run attempt 0; cancel attempt 0");
}

TEST_F(RequestsTest, LostClientsRequestIsCancelledOnTheWorker) {
  const auto worker = Worker();
  SendPrompt(*client_, kHello);
  client_.reset();
  Pass(milliseconds(settings_.lease_ms + 1'000));
  EXPECT_EQ(worker->Words(), "run attempt 0; cancel attempt 0");
  EXPECT_EQ(StatusFor(*Client("next")).requests_active, 0u);
}

// The failure to send Accepted is how the coordinator learns that the client has gone.
TEST_F(RequestsTest, ClientFoundGoneWhileItsRequestIsGivenOutCancelsAfterTheRunNotBefore) {
  const auto worker = Worker();
  planning_->Hold();
  SendPrompt(*client_, kHello);
  client_.reset();
  planning_->Release();
  Pass();  // parsed
  planning_->Release();
  Pass();
  EXPECT_EQ(worker->Words(), "run attempt 0; cancel attempt 0");
}

TEST_F(RequestsTest, ShutdownDropsClientsAndLeavesWorkersToWhatTheyDo) {
  const auto worker = Worker();
  SendPrompt(*client_, kHello);
  planning_->Hold();
  SendPrompt(*client_, kHello);
  coordinator_->Shutdown();
  planning_->Release();
  Pass();
  EXPECT_EQ(client_->Words(), "accepted") << "no Final: another coordinator goes on";
  EXPECT_THAT(client_->down(), HasSubstr("shutting down"));
  EXPECT_EQ(worker->Words(), "run attempt 0");
}

TEST_F(RequestsTest, CoordinatorMayGoInTheMiddleOfEverything) {
  const auto worker = Worker();
  SendPrompt(*client_, kHello);
  planning_->Hold();
  SendPrompt(*client_, kHello);
  client_->Send(IdOf(200), SchemaAdd{.document = kSupportSchema});
  Pass();
  coordinator_.reset();
  transport_.reset();
  Pass(seconds(10));
  EXPECT_FALSE(client_->up());
}

// ---- repair ----

class RepairRequestsTest : public CoordinatorTest {
 protected:
  RepairRequestsTest() {
    settings_.repair = "linked";
    settings_.linked_tokens = 1;
    Start();
    client_ = Client();
    worker_ = Worker();
    Register(*client_, kSupportSchema);
  }
  RequestId Send(std::optional<Repair> repair, uint32_t linked_tokens) {
    Submit submit = SubmitOf("<prompt schema=\"support\"><short/><order/>hello</prompt>");
    submit.repair = repair;
    submit.linked_tokens = linked_tokens;
    const RequestId id = IdOf(++last_id_);
    client_->Send(id, submit);
    Pass();
    return id;
  }
  // "linked 1, 3 of 10": how the plan that the worker gets is repaired, and how many of its units'
  // tokens are computed again.
  std::string Planned(std::optional<Repair> repair, uint32_t linked_tokens) {
    const RequestId id = Send(repair, linked_tokens);
    const Plan plan = worker_->Last<promptcache::Run>(id).plan;
    worker_->Send(id, Final{});
    Pass();
    return std::string(RepairName(plan.repair)) + " " + std::to_string(plan.linked_tokens) + ", " +
           std::to_string(plan.repaired_tokens) + " of " +
           std::to_string(plan.repaired_tokens + plan.cached_tokens());
  }

  std::unique_ptr<TestPeer> client_;
  std::unique_ptr<TestPeer> worker_;
};

TEST_F(RepairRequestsTest, TheServersDefaultIsForRequestsThatDoNotSay) {
  EXPECT_EQ(Planned({}, 0), "linked 1, 3 of 11");
  EXPECT_EQ(Planned(Repair::kLinked, 0), "linked 1, 3 of 11");
  EXPECT_EQ(Planned(Repair::kLinked, 2), "linked 2, 6 of 11");
  EXPECT_EQ(Planned(Repair::kNone, 0), "none 0, 0 of 11");
  EXPECT_EQ(Planned(Repair::kFull, 0), "full 0, 11 of 11");
}

TEST_F(RepairRequestsTest, WhatCannotBeRepairedIsRefusedBeforeAnythingElse) {
  for (const auto& [repair, linked_tokens] :
       {std::pair{Repair::kBlended, 0U}, std::pair{Repair::kNone, 4U},
        std::pair{Repair::kLinked, kMaxLinkedTokens + 1}}) {
    EXPECT_EQ(client_->Last<Final>(Send(repair, linked_tokens)).code, Code::kInvalidArgument);
  }
}

TEST_F(CoordinatorTest, ARepairThatDoesNotExistIsNoDefault) {
  settings_.repair = "blended";
  transport_ = std::make_unique<FakeTransport>(network_, "coordinator");
  const auto coordinator = Coordinator::Create(*transport_, settings_, model_, Deps());
  EXPECT_THAT(coordinator.status().message(), HasSubstr("coordinator.repair"));
}

}  // namespace
}  // namespace promptcache::testing
