// A worker against a coordinator that the test plays, over a network in memory.
#include "worker/service/worker_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "cachestore/memory/memory_store.h"
#include "cluster/wire/codec.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kEndpoint[] = "tcp://127.0.0.1:9";

// Greets and keeps what it hears.
struct FakeCoordinator {
  explicit FakeCoordinator(FakeNetwork& network) : transport(network, "coordinator") {
    socket = transport.Listen({.endpoint = kEndpoint}, [this](Incoming in) { Heard(in); }).value();
  }

  void Heard(const Incoming& in) {
    const Envelope envelope = DecodeEnvelope(in.frames.header.bytes()).value();
    if (std::holds_alternative<Hello>(envelope.body)) {
      peer = in.peer;
      ++greetings;
      return Send({.body = HelloAck{.heartbeat_ms = 10'000, .lease_ms = 1'000'000}});
    }
    if (in.peer != peer) {  // it greeted a coordinator that is gone
      (void)transport.Send(socket, in.peer,
                           {.header = Frame::Own(EncodeEnvelope(
                                {.body = Reply{Code::kFailedPrecondition, "hello first"}}))});
      return;
    }
    if (!std::holds_alternative<Ping>(envelope.body)) heard.push_back(envelope);
  }

  void Send(const Envelope& envelope) { SendBytes(EncodeEnvelope(envelope)); }
  void SendBytes(std::vector<uint8_t> bytes) {
    const Status sent = transport.Send(socket, peer, {.header = Frame::Own(std::move(bytes))});
    EXPECT_TRUE(sent.ok()) << sent.ToString();
  }

  FakeTransport transport;
  SocketId socket = 0;
  PeerId peer = 0;
  int greetings = 0;
  std::deque<Envelope> heard;
};

class WorkerServiceTest : public ::testing::Test {
 protected:
  WorkerServiceTest() {
    settings_.name = "w1";
    settings_.model = TinyLlamaPath();
    settings_.dtype = "fp32";
    settings_.threads = 1;
    settings_.slots = 2;
    settings_.coordinator_endpoints = {kEndpoint};
    model_ = WorkerModel::Load(settings_).value();
    Start();
  }

  void Start() {
    service_ = nullptr;
    service_ = WorkerService::Start({.transport = &transport_, .model = model_, .store = &store_},
                                    settings_)
                   .value();
  }

  // Lets the network and the engine work until the coordinator has heard this kind of message, and
  // takes it. What comes before stays for later.
  template <typename T>
  Envelope Next() {
    for (;;) {
      network_.RunUntilIdle();
      auto& heard = coordinator_->heard;
      const auto found = std::find_if(heard.begin(), heard.end(), [](const Envelope& envelope) {
        return std::holds_alternative<T>(envelope.body);
      });
      if (found != heard.end()) {
        const Envelope envelope = *found;
        heard.erase(found);
        return envelope;
      }
      std::this_thread::yield();  // the engine's turn; ctest's limit ends a wait in vain
      network_.Advance(milliseconds(1));
    }
  }

  Envelope RunOf(const PlanMaker& prompt, uint32_t max_new_tokens = 8) const {
    return {.request_id = RequestId::Random(),
            .body = promptcache::Run{.plan = prompt.plan(),
                                     .options = {.max_new_tokens = max_new_tokens}}};
  }

  // Answers the recipe query for the request.
  void SendRecipes(const RequestId& id, const PlanMaker& prompt) {
    RecipeReply reply;
    for (const auto& recipe : prompt.recipes()) reply.recipes.push_back(*recipe);
    coordinator_->Send({.request_id = id, .body = reply});
  }

  static Final FinalOf(const Envelope& envelope) { return std::get<Final>(envelope.body); }

  PlanMaker Prompt() const {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(20, 1))).New(RandomIds(3, 2));
  }
  PlanMaker Plain() const { return PlanMaker().New(RandomIds(3, 2)); }

  WorkerSettings settings_ = DefaultSettings().worker;
  std::shared_ptr<WorkerModel> model_;
  FakeNetwork network_;
  MemoryBlobStore store_;
  std::unique_ptr<FakeCoordinator> coordinator_ = std::make_unique<FakeCoordinator>(network_);
  FakeTransport transport_{network_, "worker"};
  std::unique_ptr<WorkerService> service_;
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
  coordinator_ = std::make_unique<FakeCoordinator>(network_);
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

TEST(WorkerModelTest, ErrorsNameTheFault) {
  WorkerSettings settings = DefaultSettings().worker;
  EXPECT_THAT(WorkerModel::Load(settings).status().message(), HasSubstr("--model"));
  settings.model = "/nowhere/model.gguf";
  EXPECT_THAT(WorkerModel::Load(settings).status().message(), HasSubstr("/nowhere/model.gguf"));
  settings.model = TinyLlamaPath();
  settings.dtype = "fp64";
  EXPECT_THAT(WorkerModel::Load(settings).status().message(), HasSubstr("fp64"));
  settings.dtype = "fp32";
  settings.device = "tpu";
  EXPECT_THAT(WorkerModel::Load(settings).status().message(), HasSubstr("tpu"));
}

}  // namespace
}  // namespace promptcache::testing
