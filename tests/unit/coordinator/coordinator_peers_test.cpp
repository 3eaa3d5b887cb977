// Who may talk to a coordinator, and what happens to nonsense.
#include <gmock/gmock.h>

#include <random>

#include "cluster/wire/codec.h"
#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kHello[] = "<prompt schema=\"support\">hello</prompt>";

// Sends whatever bytes the test likes.
class RawPeer {
 public:
  RawPeer(FakeNetwork& network, const std::string& endpoint) : transport_(network, "raw") {
    socket_ = *transport_.Connect({.endpoint = endpoint, .max_message_bytes = 128 << 20},
                                  [this](const Incoming& in) {
                                    auto envelope = DecodeEnvelope(in.frames.header.bytes());
                                    ASSERT_TRUE(envelope.ok());
                                    answers.push_back(*std::move(envelope));
                                  });
  }
  void Send(std::vector<uint8_t> bytes) {
    (void)transport_.Send(socket_, 0, {.header = Frame::Own(std::move(bytes))});
  }
  void Send(const Envelope& envelope) { Send(EncodeEnvelope(envelope)); }

  std::vector<Envelope> answers;

 private:
  FakeTransport transport_;
  SocketId socket_ = 0;
};

class PeersTest : public CoordinatorTest {
 protected:
  PeersTest() {
    Start();
    client_ = Client();
  }
  // A peer that is refused; the reason it was given.
  std::string Refusal(const std::string& endpoint, const Hello& hello) {
    TestPeer peer(network_, endpoint, hello);
    Pass();
    EXPECT_FALSE(peer.up());
    return peer.down();
  }
  std::string WorkerRefusal(const WorkerReady& ready) {
    TestPeer peer(network_, coordinator_->endpoints().worker,
                  {.role = PeerRole::kWorker, .name = "odd"});
    Pass();
    peer.Send({}, ready);
    Pass();
    EXPECT_TRUE(StatusFor(*client_).workers.empty());
    return peer.down();
  }

  std::unique_ptr<TestPeer> client_;
};

TEST_F(PeersTest, HelloOfAnotherProtocolVersionIsRefusedWithBothVersions) {
  for (const std::string& endpoint :
       {coordinator_->endpoints().client, coordinator_->endpoints().worker}) {
    const std::string why = Refusal(endpoint, {.min_version = 2, .max_version = 3, .name = "new"});
    EXPECT_THAT(why, AllOf(HasSubstr("versions 2 to 3"), HasSubstr("here it is 1")));
  }
}

TEST_F(PeersTest, PeerOfAnotherKindIsRefused) {
  const auto endpoints = coordinator_->endpoints();
  for (const auto& [endpoint, role] : {std::pair(endpoints.client, PeerRole::kWorker),
                                       std::pair(endpoints.worker, PeerRole::kClient),
                                       std::pair(endpoints.client, PeerRole::kStore),
                                       std::pair(endpoints.worker, PeerRole::kAdmin),
                                       std::pair(endpoints.worker, PeerRole::kCoordinator)}) {
    EXPECT_THAT(Refusal(endpoint, {.role = role, .name = "lost"}),
                HasSubstr("for another kind of peer"));
  }
}

TEST_F(PeersTest, WorkerWithoutANameIsRefused) {
  EXPECT_THAT(Refusal(coordinator_->endpoints().worker, {.role = PeerRole::kWorker}),
              HasSubstr("needs a name"));
}

TEST_F(PeersTest, StrangerIsToldToSayHelloAndIsCounted) {
  RawPeer raw(network_, coordinator_->endpoints().client);
  raw.Send(Envelope{.request_id = IdOf(9), .body = StatusQuery{}});
  Pass();
  ASSERT_EQ(raw.answers.size(), 1u);
  EXPECT_THAT(std::get<Reply>(raw.answers[0].body).message, HasSubstr("hello"));
  EXPECT_EQ(StatusFor(*client_).bad_frames, 1u);
}

TEST_F(PeersTest, GarbageIsCountedItsSenderDroppedAndNobodyElseNotices) {
  Register(*client_, kSupportSchema);
  const auto worker = Worker();
  RawPeer raw(network_, coordinator_->endpoints().client);
  raw.Send(Envelope{.body = Hello{.role = PeerRole::kClient, .name = "raw"}});
  raw.Send(Envelope{.request_id = IdOf(9), .body = SubmitOf(kHello)});
  Pass();
  EXPECT_EQ(StatusFor(*client_).requests_active, 1u);
  raw.Send(std::vector<uint8_t>{1, 2, 3});
  Pass();
  const StatusReply status = StatusFor(*client_);
  EXPECT_EQ(status.bad_frames, 1u);
  EXPECT_EQ(status.requests_active, 0u) << "the request of the dropped peer";
  const RequestId id = SendPrompt(*client_, kHello);
  EXPECT_EQ(client_->Last<Accepted>(id).schema, "support");
}

// Every message there is, damaged in random places, to both sides.
TEST_F(PeersTest, DamagedMessagesNeverStopTheCoordinator) {
  Register(*client_, kSupportSchema);
  const std::vector<Envelope> samples = {
      {.request_id = IdOf(1), .body = SubmitOf(kHello)},
      {.request_id = IdOf(1), .body = Cancel{}},
      {.request_id = IdOf(2), .body = SchemaAdd{.document = kSupportSchema}},
      {.request_id = IdOf(3), .body = SchemaList{.name = "support"}},
      {.request_id = IdOf(4), .body = SchemaRemove{.name = "nothing"}},
      {.request_id = IdOf(5), .body = ReadyFor(model_)},
      {.request_id = IdOf(1), .body = Partial{.tokens = {1, 2}, .text = "x"}},
      {.request_id = IdOf(1), .body = Final{.usage = {.units = {{.path = "p"}}}}},
      {.body = Residency{.seq = 1, .snapshot = true, .added = {RecipeOf(1)}}},
      {.body = RecipeQuery{.digests = {RecipeOf(1)}}},
      {.body = Heartbeat{}},
  };
  std::mt19937 random(11);
  for (int n = 0; n < 3'000; ++n) {
    const bool to_worker_side = n % 2 == 0;
    RawPeer raw(network_, to_worker_side ? coordinator_->endpoints().worker
                                         : coordinator_->endpoints().client);
    raw.Send(Envelope{.body = Hello{.role = to_worker_side ? PeerRole::kWorker : PeerRole::kClient,
                                    .name = "raw"}});
    for (int m = 0; m < 3; ++m) {
      auto bytes = EncodeEnvelope(samples[random() % samples.size()]);
      for (size_t flips = random() % 3; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1 + random() % 255);
      }
      raw.Send(std::move(bytes));
    }
    network_.RunUntilIdle();
  }
  Pass(milliseconds(settings_.lease_ms + 1'000));
  const StatusReply status = StatusFor(*client_);
  EXPECT_GT(status.bad_frames, 100u);
  EXPECT_EQ(status.requests_active, 0u);
  EXPECT_TRUE(status.workers.empty());
}

TEST_F(PeersTest, MessageThatAClientDoesNotSendIsRefusedAndCounted) {
  client_->Send(IdOf(9), Heartbeat{});
  Pass();
  EXPECT_EQ(client_->Last<Reply>(IdOf(9)).code, Code::kFailedPrecondition);
  EXPECT_EQ(StatusFor(*client_).bad_frames, 1u);
}

TEST_F(PeersTest, MessageThatAWorkerDoesNotSendIsCounted) {
  const auto worker = Worker();
  worker->Send(IdOf(9), SchemaAdd{.document = kSupportSchema});
  worker->Send(IdOf(9), Partial{});  // as after a Cancel: nothing is wrong with it
  Pass();
  EXPECT_EQ(StatusFor(*client_).bad_frames, 1u);
  EXPECT_EQ(StatusFor(*client_).schemas, 0u);
}

// ---- workers ----

TEST_F(PeersTest, WorkerWithAnotherTokenizerModelOrShorterContextIsRefused) {
  WorkerReady ready = ReadyFor(model_);
  ready.identity.tokenizer = "another";
  EXPECT_THAT(WorkerRefusal(ready), HasSubstr("tokenizer"));
  ready = ReadyFor(model_);
  ready.model = "big";
  EXPECT_THAT(WorkerRefusal(ready), AllOf(HasSubstr("'big'"), HasSubstr("'toy'")));
  ready = ReadyFor(model_);
  ready.context_length = kContext - 1;
  EXPECT_THAT(WorkerRefusal(ready), HasSubstr("63 tokens"));
  ready = ReadyFor(model_);
  ready.device = std::string(5'000, 'x');
  EXPECT_THAT(WorkerRefusal(ready), HasSubstr("device"));
  ready = ReadyFor(model_);
  ready.identity.weights = std::string(5'000, 'x');
  EXPECT_THAT(WorkerRefusal(ready), HasSubstr("identity"));
}

TEST_F(PeersTest, RestartedWorkerReplacesItsPredecessorBeforeTheLeaseEnds) {
  Register(*client_, kSupportSchema);
  auto old = Worker("w1", 1);
  SendPrompt(*client_, kHello);
  old.reset();
  const auto restarted = Worker("w1", 2);
  EXPECT_EQ(restarted->Words(), "run attempt 1");
  EXPECT_EQ(StatusFor(*client_).workers.size(), 1u);
}

TEST_F(PeersTest, OfTwoWorkersWithOneNameTheOneThatStartedLaterStays) {
  const auto older = Worker("w1", 1);
  const auto younger = Worker("w1", 2);
  Pass(seconds(20));
  EXPECT_EQ(younger->down(), "") << "it was dropped";
  EXPECT_THAT(older->down(), AllOf(HasSubstr("'w1'"), HasSubstr("its own name")));
  EXPECT_EQ(StatusFor(*client_).workers.size(), 1u);
}

TEST_F(PeersTest, RecipesAreAnsweredWithWhatIsUnknown) {
  Register(*client_, kSupportSchema);
  const auto worker = Worker();
  const RequestId id = SendPrompt(*client_, kHello);
  const Plan plan = worker->Last<promptcache::Run>(id).plan;
  worker->Send(id, RecipeQuery{.digests = {plan.units[0].digest, RecipeOf(99)}});
  Pass();
  const auto reply = worker->Last<RecipeReply>(id);
  ASSERT_EQ(reply.recipes.size(), 1u);
  EXPECT_EQ(reply.recipes[0].Digest(), plan.units[0].digest);
  EXPECT_EQ(reply.unknown, std::vector<RecipeDigest>{RecipeOf(99)});
}

TEST_F(PeersTest, RecipesOfARunningRequestAreAnsweredAfterItsSchemaWasRemoved) {
  Register(*client_, kSupportSchema);
  const auto worker = Worker();
  const RequestId id = SendPrompt(*client_, kHello);
  const RecipeDigest digest = worker->Last<promptcache::Run>(id).plan.units[0].digest;
  client_->Send(IdOf(200), SchemaRemove{"support"});
  Pass();
  ASSERT_EQ(client_->Last<Reply>(IdOf(200)).code, Code::kOk);
  worker->Send(id, RecipeQuery{.digests = {digest}});
  Pass();
  EXPECT_EQ(worker->Last<RecipeReply>(id).recipes.size(), 1u);
  worker->Send(id, Final{});
  Pass();
  worker->Send(id, RecipeQuery{.digests = {digest}});
  Pass();
  EXPECT_TRUE(worker->Last<RecipeReply>(id).recipes.empty());
}

// A worker starts the request when a reply with its id arrives: that must be the last one.
TEST_F(CoordinatorTest, RecipesForMoreThanOneMessageArriveWithTheRequestsIdOnTheLast) {
  constexpr int kModules = 600;
  constexpr int kRootTokens = 4'000;  // the context of every module
  model_.context_length = 8'192;
  Start();
  const auto client = Client();
  std::string schema = "<schema name=\"s\">";
  for (int n = 0; n < kRootTokens; ++n) schema += "r ";
  std::string prompt = "<prompt schema=\"s\">";
  for (int n = 0; n < kModules; ++n) {
    schema += "<module name=\"m" + std::to_string(n) + "\">" + std::to_string(n) + "</module>";
    prompt += "<m" + std::to_string(n) + "/>";
  }
  Register(*client, schema + "</schema>");
  const auto worker = Worker();
  const RequestId id = SendPrompt(*client, prompt + "hello</prompt>");
  RecipeQuery query;
  for (const PlanUnit& unit : worker->Last<promptcache::Run>(id).plan.units) {
    query.digests.push_back(unit.digest);
  }
  ASSERT_EQ(query.digests.size(), kModules + 1u);
  worker->Words();
  const size_t before = worker->inbox().size();
  worker->Send(id, query);
  Pass();
  size_t recipes = 0;
  ASSERT_GE(worker->inbox().size(), before + 2) << "it fits one message; ask for more";
  for (size_t n = before; n < worker->inbox().size(); ++n) {
    const Envelope& envelope = worker->inbox()[n];
    EXPECT_EQ(envelope.request_id == id, n + 1 == worker->inbox().size());
    recipes += std::get<RecipeReply>(envelope.body).recipes.size();
  }
  EXPECT_EQ(recipes, kModules + 1u);
}

TEST_F(PeersTest, EveryWorkerIsAskedToDropUnitsAndAllAnswersAreOne) {
  const UnitsDrop drop{.keys = {UnitKey{{1}}, UnitKey{{2}}}};
  const auto first = Worker("w1");
  const auto second = Worker("w2");
  client_->Send(IdOf(9), drop);
  Pass();
  for (const auto& [worker, held] :
       {std::pair(first.get(), std::vector<UnitKey>{UnitKey{{2}}}), {second.get(), {}}}) {
    const Envelope asked = worker->inbox().back();
    ASSERT_EQ(std::get<UnitsDrop>(asked.body), drop);
    EXPECT_NE(asked.request_id, IdOf(9));
    worker->Send(asked.request_id, UnitsDropped{{{.worker = "?", .dropped = 2, .held = held}}});
  }
  Pass();
  EXPECT_EQ(client_->Last<UnitsDropped>(IdOf(9)),
            (UnitsDropped{{{.worker = "w1", .dropped = 2, .held = {UnitKey{{2}}}},
                           {.worker = "w2", .dropped = 2}}}));
}

TEST_F(PeersTest, WorkersThatAreNotThereHaveDroppedNothing) {
  client_->Send(IdOf(9), UnitsDrop{.keys = {UnitKey{{1}}}});
  Pass();
  EXPECT_EQ(client_->Last<UnitsDropped>(IdOf(9)), UnitsDropped{});
}

// ---- what operators ask ----

TEST_F(PeersTest, ADrainReachesTheWorkerAndItsAnswerTheOperator) {
  const auto worker = Worker("w1");
  client_->Send(IdOf(9), DrainWorker{.worker = "w1"});
  Pass();
  const Envelope asked = worker->inbox().back();
  EXPECT_EQ(std::get<DrainWorker>(asked.body), (DrainWorker{.worker = "w1"}));
  worker->Send(asked.request_id, Reply{.message = "draining"});
  worker->Send(asked.request_id, Reply{.code = Code::kInternal, .message = "twice"});
  Pass();
  EXPECT_EQ(client_->Last<Reply>(IdOf(9)), (Reply{.message = "draining"}));
}

TEST_F(PeersTest, AWorkerThatIsNotThereCannotBeDrained) {
  client_->Send(IdOf(9), DrainWorker{.worker = "nobody"});
  Pass();
  EXPECT_EQ(client_->Last<Reply>(IdOf(9)).code, Code::kNotFound);
}

TEST_F(PeersTest, AWorkerThatIsLostMeanwhileIsNamedToTheOperator) {
  auto worker = Worker("w1");
  client_->Send(IdOf(9), DrainWorker{.worker = "w1"});
  Pass();
  worker.reset();
  Pass(milliseconds(settings_.lease_ms + 1'000));
  EXPECT_EQ(client_->Last<Reply>(IdOf(9)).code, Code::kUnavailable);
}

TEST_F(PeersTest, ARequestThatNobodySentCannotBeExplained) {
  client_->Send(IdOf(9), ExplainQuery{.request = IdOf(77)});
  Pass();
  EXPECT_EQ(client_->Last<Reply>(IdOf(9)).code, Code::kNotFound);
  client_->Send(IdOf(10), ExplainQuery{});
  Pass();
  EXPECT_EQ(client_->Last<ExplainReply>(IdOf(10)), ExplainReply{});
}

}  // namespace
}  // namespace promptcache::testing
