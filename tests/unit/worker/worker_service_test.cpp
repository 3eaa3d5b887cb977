// A worker against coordinators that the test plays, over a network in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/worker_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class WorkerServiceTest : public WorkerFixture {
 protected:
  WorkerServiceTest() { Start(); }
};

TEST_F(WorkerServiceTest, TellsWhatItServesAndWhatItHolds) {
  const auto ready = std::get<WorkerReady>(Next<WorkerReady>().body);
  EXPECT_EQ(ready.model, "tiny");
  EXPECT_EQ(ready.device, "cpu");
  EXPECT_EQ(ready.slots, 2u);
  EXPECT_EQ(ready.context_length, kTinyContext);
  EXPECT_EQ(ready.identity, model_->identity());
  EXPECT_EQ(ready.identity.tokenizer.size(), 64u);
  const auto residency = std::get<Residency>(Next<Residency>().body);
  EXPECT_TRUE(residency.snapshot);
  EXPECT_THAT(residency.added, SizeIs(0));
  EXPECT_EQ(std::get<Heartbeat>(Next<Heartbeat>().body).active, 0u);
}

TEST_F(WorkerServiceTest, AsksForRecipesThenStreamsPartialsAndOneFinal) {
  (void)Next<Residency>();
  const PlanMaker prompt = Prompt();
  Envelope run = RunOf(prompt);
  run.attempt = 3;
  coordinator_->Send(run);
  const Envelope query = Next<RecipeQuery>();
  EXPECT_EQ(query.request_id, run.request_id);
  EXPECT_THAT(std::get<RecipeQuery>(query.body).digests,
              ElementsAre(prompt.recipes()[0]->Digest()));
  SendRecipes(run.request_id, prompt);
  const Envelope end = Next<Final>();
  EXPECT_EQ(end.request_id, run.request_id);
  EXPECT_EQ(end.attempt, 3u);
  EXPECT_EQ(FinalOf(end).code, Code::kOk);
  EXPECT_EQ(FinalOf(end).usage.worker, "w1");
  std::vector<TokenId> tokens;
  for (uint32_t seq = 0; tokens.size() < 8; ++seq) {
    const Envelope envelope = Next<Partial>();
    const auto& partial = std::get<Partial>(envelope.body);
    EXPECT_EQ(envelope.attempt, 3u);
    EXPECT_EQ(partial.seq, seq);
    tokens.insert(tokens.end(), partial.tokens.begin(), partial.tokens.end());
  }
  EXPECT_EQ(tokens,
            ReferenceGreedy(TinyLlama::Random(), prompt.tokens(), prompt.next(), 8, prompt.sees()));
  // The unit has come into memory, and its recipe need not be asked for again.
  const auto residency = std::get<Residency>(Next<Residency>().body);
  EXPECT_FALSE(residency.snapshot);
  EXPECT_EQ(residency.seq, 2u);
  EXPECT_THAT(residency.added, SizeIs(1));
  coordinator_->Send(RunOf(prompt));
  EXPECT_EQ(FinalOf(Next<Final>()).usage.units.at(0).source, Source::kDevice);
}

TEST_F(WorkerServiceTest, RecipeThatTheCoordinatorLacksEndsTheRun) {
  (void)Next<Residency>();
  const Envelope run = RunOf(Prompt());
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  coordinator_->Send({.request_id = run.request_id, .body = RecipeReply{}});
  Final end = FinalOf(Next<Final>());
  EXPECT_EQ(end.code, Code::kFailedPrecondition);
  EXPECT_THAT(end.message, HasSubstr("schema/unit0"));
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  coordinator_->Send({.request_id = run.request_id, .body = Reply{Code::kInternal, "no meta"}});
  end = FinalOf(Next<Final>());
  EXPECT_EQ(end.code, Code::kFailedPrecondition);
  EXPECT_THAT(end.message, HasSubstr("no meta"));
}

TEST_F(WorkerServiceTest, RecipeUnderAFalseNameIsNotTaken) {
  (void)Next<Residency>();
  const Envelope run = RunOf(Prompt());
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  SendRecipes(run.request_id, PlanMaker().Unit(MakeRecipe({}, RandomIds(20, 99))));
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kFailedPrecondition);
}

TEST_F(WorkerServiceTest, RecipesThatNeverComeEndWithTheDeadline) {
  (void)Next<Residency>();
  Envelope run = RunOf(Prompt());
  run.timeout_ms = 1;
  coordinator_->Send(run);
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kDeadlineExceeded);
}

TEST_F(WorkerServiceTest, CancelEndsRunningAndWaitingRuns) {
  (void)Next<Residency>();
  const Envelope running = RunOf(Plain(), 3000), waiting = RunOf(Prompt());
  coordinator_->Send(running);
  (void)Next<Partial>();
  coordinator_->Send({.request_id = running.request_id, .body = Cancel{}});
  Envelope end = Next<Final>();
  EXPECT_EQ(end.request_id, running.request_id);
  EXPECT_EQ(FinalOf(end).code, Code::kCancelled);
  coordinator_->Send(waiting);
  (void)Next<RecipeQuery>();
  coordinator_->Send({.request_id = waiting.request_id, .body = Cancel{}});
  end = Next<Final>();
  EXPECT_EQ(end.request_id, waiting.request_id);
  EXPECT_EQ(FinalOf(end).code, Code::kCancelled);
}

TEST_F(WorkerServiceTest, PlanThatDoesNotHoldTogetherIsRefused) {
  (void)Next<Residency>();
  Envelope run = RunOf(Plain());
  std::get<promptcache::Run>(run.body).plan.next_position = 5000;
  coordinator_->Send(run);
  const Final end = FinalOf(Next<Final>());
  EXPECT_EQ(end.code, Code::kInvalidArgument);
  EXPECT_THAT(end.message, HasSubstr("4096"));
}

TEST_F(WorkerServiceTest, RunThatComesTwiceIsAnsweredOnce) {
  (void)Next<Residency>();
  const Envelope run = RunOf(Plain(), 200);
  coordinator_->Send(run);
  coordinator_->Send(run);
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kOk);
  const Envelope other = RunOf(Plain());
  coordinator_->Send(other);
  EXPECT_EQ(Next<Final>().request_id, other.request_id);
}

TEST_F(WorkerServiceTest, NewAttemptTakesThePlaceOfTheOld) {
  (void)Next<Residency>();
  Envelope run = RunOf(Plain(), 3000);
  coordinator_->Send(run);
  (void)Next<Partial>();
  run.attempt = 1;
  std::get<promptcache::Run>(run.body).options.max_new_tokens = 4;
  coordinator_->Send(run);
  const Envelope end = Next<Final>();
  EXPECT_EQ(end.attempt, 1u);
  EXPECT_EQ(FinalOf(end).code, Code::kOk);
  EXPECT_EQ(FinalOf(end).usage.generated_tokens, 4u);
}

TEST_F(WorkerServiceTest, CoordinatorThatComesBackFindsTheWorkerAndItsUnits) {
  (void)Next<Residency>();
  const PlanMaker prompt = Prompt();
  Envelope run = RunOf(prompt, 3000);
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  SendRecipes(run.request_id, prompt);
  (void)Next<Partial>();
  coordinator_ = nullptr;
  network_.Advance(milliseconds(100));
  coordinator_ = std::make_unique<FakeCoordinator>(network_, kFirstEndpoint);
  EXPECT_EQ(std::get<WorkerReady>(Next<WorkerReady>().body).model, "tiny");
  const auto residency = std::get<Residency>(Next<Residency>().body);
  EXPECT_TRUE(residency.snapshot);
  EXPECT_THAT(residency.added, SizeIs(1));
  // The same request again, as a coordinator tries it anew.
  run.attempt = 1;
  std::get<promptcache::Run>(run.body).options.max_new_tokens = 4;
  coordinator_->Send(run);
  const Envelope end = Next<Final>();
  EXPECT_EQ(end.attempt, 1u);
  EXPECT_EQ(FinalOf(end).code, Code::kOk);
  EXPECT_EQ(FinalOf(end).usage.units.at(0).source, Source::kDevice);
}

TEST_F(WorkerServiceTest, ResyncIsAnsweredWithASnapshot) {
  EXPECT_EQ(std::get<Residency>(Next<Residency>().body).seq, 1u);
  coordinator_->Send({.body = ResidencyResync{}});
  const auto residency = std::get<Residency>(Next<Residency>().body);
  EXPECT_TRUE(residency.snapshot);
  EXPECT_EQ(residency.seq, 2u);
}

TEST_F(WorkerServiceTest, GarbageEndsTheLinkAndTheWorkerComesBack) {
  (void)Next<Residency>();
  std::vector<uint8_t> cut = EncodeEnvelope(RunOf(Prompt()));
  cut.resize(cut.size() / 2);
  for (const auto& bytes : {std::vector<uint8_t>(1), std::vector<uint8_t>(100, 0xff), cut}) {
    const int greetings = coordinator_->greetings;
    coordinator_->SendBytes(bytes);
    while (coordinator_->greetings == greetings) network_.Advance(milliseconds(50));
    (void)Next<WorkerReady>();
  }
  coordinator_->Send(RunOf(Plain()));
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kOk);
}

TEST_F(WorkerServiceTest, MessagesThatAreNotForWorkersAreIgnored) {
  (void)Next<Residency>();
  coordinator_->Send({.body = StatusQuery{}});
  coordinator_->Send({.request_id = RequestId::Random(), .body = RecipeReply{}});
  coordinator_->Send({.request_id = RequestId::Random(), .body = Cancel{}});
  coordinator_->Send(RunOf(Plain()));
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kOk);
  EXPECT_EQ(coordinator_->greetings, 1);
}

TEST_F(WorkerServiceTest, EndOfTheServiceWaitsForItsPuts) {
  (void)Next<Residency>();
  const PlanMaker prompt = Prompt();
  const Envelope run = RunOf(prompt);
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  SendRecipes(run.request_id, prompt);
  (void)Next<Final>();
  service_ = nullptr;
  EXPECT_EQ(store_.Stats()->blobs, 1u);
}

TEST_F(WorkerServiceTest, StoreIsToldWhichSchemaImportsAUnit) {
  (void)Next<Residency>();
  const PlanMaker prompt = Prompt();
  Envelope run = RunOf(prompt);
  std::get<promptcache::Run>(run.body).schema = "support";
  std::get<promptcache::Run>(run.body).version = "0123456789abcdef";
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  SendRecipes(run.request_id, prompt);
  (void)Next<Final>();
  service_ = nullptr;
  const auto references = ListAll(store_).value().at(0).use.references;
  ASSERT_EQ(references.size(), 1u);
  EXPECT_EQ(references[0].reference, (Reference{.schema = "support",
                                                .version = "0123456789abcdef",
                                                .module = prompt.plan().units[0].path}));
}

TEST_F(WorkerServiceTest, SaysWhatUnitsTakeAndWhereTheyComeFrom) {
  const auto ready = std::get<WorkerReady>(Next<WorkerReady>().body);
  const PlanMaker prompt = Prompt();
  for (const char* endpoint : {"", "tcp://127.0.0.1:7422", "tcp://10.0.0.1:7422"}) {
    const bool is_stored = *endpoint != '\0';  // by the first run
    if (is_stored) {
      coordinator_->heard.clear();
      settings_.store_endpoint = endpoint;
      Start();
    }
    const Envelope run = RunOf(prompt);
    (void)Next<Residency>();
    coordinator_->Send(run);
    (void)Next<RecipeQuery>();
    SendRecipes(run.request_id, prompt);
    const bool is_remote = settings_.store_endpoint == "tcp://10.0.0.1:7422";
    const auto source = FinalOf(Next<Final>()).usage.units.at(0).source;
    coordinator_->heard.clear();
    const auto heartbeat = std::get<Heartbeat>(Next<Heartbeat>().body);
    EXPECT_EQ(heartbeat.unit_bytes, 20 * ready.kv_bytes_per_token);
    EXPECT_EQ(heartbeat.generated_tokens, 8u);
    EXPECT_EQ(heartbeat.disk.bytes_per_s > 0, is_stored && !is_remote) << endpoint;
    EXPECT_EQ(heartbeat.remote.bytes_per_s > 0, is_stored && is_remote) << endpoint;
    EXPECT_EQ(source, !is_stored ? Source::kEncoded : is_remote ? Source::kRemote : Source::kDisk);
  }
}

TEST(WorkerModelTest, ErrorsNameTheFault) {
  WorkerSettings settings = DefaultSettings().worker;
  EXPECT_THAT(LoadWorkerModel(settings).status().message(), HasSubstr("--model"));
  settings.model = "/nowhere/model.gguf";
  EXPECT_THAT(LoadWorkerModel(settings).status().message(), HasSubstr("/nowhere/model.gguf"));
  settings.model = TinyLlamaPath();
  settings.dtype = "fp64";
  EXPECT_THAT(LoadWorkerModel(settings).status().message(), HasSubstr("fp64"));
  settings.dtype = "fp32";
  settings.device = "tpu";
  EXPECT_THAT(LoadWorkerModel(settings).status().message(), HasSubstr("tpu"));
}

}  // namespace
}  // namespace promptcache::testing
