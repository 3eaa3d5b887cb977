// The store server against peers that keep no rules, and its limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "cachestore/memory/memory_store.h"
#include "cachestore/service/damage_reports.h"
#include "cluster/wire/codec.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_conversation.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class StoreServerTest : public ::testing::Test {
 protected:
  void Serve(StoreServerOptions options = {}) { talk_.emplace(store_, &meta_, options); }
  RawPeer& peer() { return talk_->peer(); }

  template <typename T>
  T AnswerTo(Message request) {
    const RequestId id = RequestId::Random();
    peer().Say(id, std::move(request));
    return Await<T>(id);
  }
  template <typename T>
  T Await(const RequestId& id) {
    EXPECT_TRUE(talk_->StepUntil([&] { return !peer().All<T>(id).empty(); }));
    const auto all = peer().All<T>(id);
    return all.empty() ? T{} : all.front();
  }
  void ExpectServes() {
    const RequestId id = RequestId::Random();
    peer().Say(id, FetchBlob{.key = blob_.key, .credit = blob_.bytes.size()});
    EXPECT_EQ(DoneFor(*talk_, id).code, Code::kOk);
    EXPECT_TRUE(peer().PayloadOf(id) == blob_.bytes);
  }
  // Begins fetches that stand still.
  void BeginFetches(RawPeer& from, int count) {
    for (int i = 0; i < count; ++i) {
      from.Say(RequestId::Random(), FetchBlob{.key = blob_.key, .credit = 1});
    }
    talk_->Settle();
  }
  Code FetchBy(RawPeer& from) {
    const RequestId id = RequestId::Random();
    from.Say(id, FetchBlob{.key = blob_.key, .credit = blob_.bytes.size()});
    EXPECT_TRUE(talk_->StepUntil([&] { return !from.All<Done>(id).empty(); }));
    return from.All<Done>(id).at(0).code;
  }
  void AwaitUp(RawPeer& other) {
    ASSERT_TRUE(talk_->StepUntil([&] { return other.connection.up(); }));
  }
  void SetUp() override { ASSERT_TRUE(PutBytes(memory_, blob_.key, blob_.bytes).ok()); }

  const SampleBlob blob_ = MakeSampleBlob();
  FakeClock clock_;
  MemoryBlobStore memory_;
  MemoryMetaStore meta_;
  GatedStore store_{memory_};
  std::optional<ServedConversation> talk_;
};

TEST_F(StoreServerTest, OptionsThatCouldNeverServeAreRefused) {
  FakeNetwork network;
  FakeTransport transport(network, "server");
  StoreServerOptions good;
  good.endpoint = kStoreEndpoint;
  const auto refused = [&](auto change) {
    StoreServerOptions options = good;
    change(options);
    return StoreServer::Create(transport, PartsOf(store_, nullptr), options).status().code() ==
           Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& o) { o.threads = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.chunk_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.chunk_bytes = uint64_t{1} << 30; }));
  EXPECT_TRUE(refused([](auto& o) { o.put_window_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_credit_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.transfer_idle = milliseconds(0); }));
  EXPECT_TRUE(refused([](auto& o) { o.endpoint = "tcp://0.0.0.0:1"; }));
  EXPECT_FALSE(refused([](auto&) {}));
}

TEST_F(StoreServerTest, MessagesForOthersAreRefusedByName) {
  Serve();
  for (const Message& message : {Message(Submit{}), Message(RecipeQuery{}), Message(SchemaList{}),
                                 Message(Done{}), Message(BlobExistsReply{})}) {
    const Reply reply = AnswerTo<Reply>(message);
    EXPECT_EQ(reply.code, Code::kFailedPrecondition);
    EXPECT_THAT(reply.message, HasSubstr("cachestore does not take"));
  }
}

TEST_F(StoreServerTest, OnlyWhoWorksWithAStoreIsLetIn) {
  Serve();
  FakeTransport transport(talk_->network(), "another");
  const auto is_let_in = [&](PeerRole role) {
    std::string refusal;
    Connection connection(
        transport,
        {.connect = {.endpoint = kStoreEndpoint}, .hello = {.role = role, .name = "another"}},
        {.on_down = [&](const Status& why) { refusal = why.message(); }});
    EXPECT_TRUE(connection.Start().ok());
    EXPECT_TRUE(talk_->StepUntil([&] { return connection.up() || !refusal.empty(); }));
    return connection.up() ? "yes" : refusal;
  };
  for (const PeerRole role : {PeerRole::kWorker, PeerRole::kCoordinator, PeerRole::kAdmin}) {
    EXPECT_EQ(is_let_in(role), "yes") << static_cast<int>(role);
  }
  EXPECT_THAT(is_let_in(PeerRole::kClient), HasSubstr("clients ask a coordinator"));
  EXPECT_THAT(is_let_in(PeerRole::kStore), HasSubstr("a cachestore is for"));
  EXPECT_EQ(talk_->links().refused, 2u);
}

TEST_F(StoreServerTest, BlobThatIsSoundStaysWhoeverReportsIt) {
  Serve();
  const Reply reply = AnswerTo<Reply>(BlobRemove{blob_.key, true});
  EXPECT_EQ(reply.code, Code::kFailedPrecondition);
  EXPECT_THAT(reply.message, HasSubstr("is sound in the cachestore"));
  EXPECT_EQ(memory_.Stats()->corruptions, 0u);
  ExpectServes();
  EXPECT_EQ(AnswerTo<Reply>(BlobRemove{UnitKey{}, true}).code, Code::kOk) << "of no blob";
}

TEST_F(StoreServerTest, BlobThatIsReportedAndDamagedGoes) {
  store_.FailReadsAfter(0, DataLoss("a flipped bit"));
  Serve();
  EXPECT_EQ(AnswerTo<Reply>(BlobRemove{blob_.key, true}).code, Code::kOk);
  EXPECT_EQ(memory_.Stats()->corruptions, 1u);
  EXPECT_EQ(memory_.Stats()->blobs, 0u);
}

TEST_F(StoreServerTest, BlobThatCannotBeReadNowStays) {
  store_.FailReadsAfter(0, Unavailable("too many files are open"));
  Serve();
  EXPECT_EQ(AnswerTo<Reply>(BlobRemove{blob_.key, true}).code, Code::kUnavailable);
  EXPECT_EQ(memory_.Stats()->blobs, 1u);
}

// A store in which another report comes while the first is looked into.
class ReportedTwice : public ForwardingStore {
 public:
  ReportedTwice(BlobStore& inner, DamageReports& reports)
      : ForwardingStore(inner), reports_(reports) {}
  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override {
    std::thread([&] { second_ = reports_.LookInto(inner(), key); }).join();
    return ForwardingStore::Inspect(key);
  }
  const Status& second() const { return second_; }

 private:
  DamageReports& reports_;
  Status second_;
};

TEST_F(StoreServerTest, OneReportOfDamageIsLookedIntoAtATime) {
  DamageReports reports;
  ReportedTwice store(memory_, reports);
  EXPECT_EQ(reports.LookInto(store, blob_.key).code(), Code::kFailedPrecondition);
  EXPECT_EQ(store.second().code(), Code::kBusy);
  EXPECT_EQ(reports.LookInto(memory_, blob_.key).code(), Code::kFailedPrecondition) << "it is free";
}

TEST_F(StoreServerTest, AnswersToNothingAreNotAnswered) {
  Serve();
  const RequestId id = RequestId::Random();
  for (const Message& message :
       {Message(Reply{}), Message(Chunk{}), Message(Credit{1}), Message(Cancel{})}) {
    peer().Say(id, message);
  }
  talk_->Settle();
  for (const Heard& heard : peer().heard) EXPECT_NE(heard.id, id);
}

TEST_F(StoreServerTest, CommitOfNoPutIsNotFound) {
  Serve();
  const Done done = AnswerTo<Done>(PutCommit{});
  EXPECT_EQ(done.code, Code::kNotFound);
  EXPECT_FALSE(done.committed);
}

TEST_F(StoreServerTest, MetaRequestsWithoutAMetaStoreSayWhichSettingMissed) {
  talk_.emplace(store_, nullptr);
  for (const Message& message :
       {Message(MetaGet{"k"}), Message(MetaSet{.key = "k"}), Message(MetaList{})}) {
    const Reply reply = AnswerTo<Reply>(message);
    EXPECT_EQ(reply.code, Code::kFailedPrecondition);
    EXPECT_THAT(reply.message, HasSubstr("store.meta"));
  }
}

TEST_F(StoreServerTest, RecordsComeInPagesThatFitMessages) {
  Serve();
  const std::string value(48 << 20, 'x');
  ASSERT_TRUE(meta_.CompareAndSet("big/a", 0, value).ok());
  ASSERT_TRUE(meta_.CompareAndSet("big/b", 0, value).ok());
  const auto first = AnswerTo<MetaReply>(MetaList{"big/"});
  ASSERT_EQ(first.entries.size(), 1u);
  EXPECT_EQ(first.entries[0].key, "big/a");
  EXPECT_TRUE(first.more);
  const auto second = AnswerTo<MetaReply>(MetaList{.prefix = "big/", .after = "big/a"});
  ASSERT_EQ(second.entries.size(), 1u);
  EXPECT_EQ(second.entries[0].key, "big/b");
  EXPECT_FALSE(second.more);
}

TEST_F(StoreServerTest, RequestsThatWaitCountAgainstTheBudget) {
  Serve({.max_held_bytes = 1 << 20});
  store_.contains().Close();
  const RequestId first = RequestId::Random();
  peer().Say(first, BlobExists{});
  ASSERT_TRUE(talk_->StepUntil([&] { return store_.contains().Occupied(); }));
  EXPECT_EQ(AnswerTo<Reply>(MetaSet{.key = "k", .value = std::string((1 << 20) + 1, 'x')}).code,
            Code::kBusy);
  store_.contains().Open();
  EXPECT_EQ(Await<BlobExistsReply>(first), BlobExistsReply{});
  EXPECT_EQ(AnswerTo<MetaReply>(MetaSet{.key = "k", .value = "x"}).entries.size(), 1u);
}

TEST_F(StoreServerTest, OnePeerCannotTakeTheTransfersFromAllOthers) {
  Serve({.max_transfers = 8});
  BeginFetches(peer(), 8);
  EXPECT_EQ(FetchBy(peer()), Code::kBusy);
  RawPeer other(talk_->network(), "other");
  AwaitUp(other);
  EXPECT_EQ(FetchBy(other), Code::kOk);
}

TEST_F(StoreServerTest, LinksWithOneKeyCountAsOnePeer) {
  Serve({.max_transfers = 8});
  const auto key = std::make_shared<PeerKey>(KeyOwner{"other", PeerRole::kWorker, ""});
  RawPeer first(talk_->network(), "other");
  RawPeer second(talk_->network(), "other");
  for (RawPeer* link : {&first, &second}) link->transport.SetKey(key);
  AwaitUp(first);
  AwaitUp(second);
  BeginFetches(first, 8);
  EXPECT_EQ(FetchBy(second), Code::kBusy);
  EXPECT_EQ(FetchBy(peer()), Code::kOk);
}

TEST_F(StoreServerTest, StreamsAreOfferedWhereLinksHaveNoKeys) {
  for (const bool has_key : {false, true}) {
    FakeNetwork network;
    FakeTransport server_transport(network, "server");
    FakeTransport peer_transport(network, "peer");
    if (has_key) {
      server_transport.SetKey(std::make_shared<PeerKey>(KeyOwner{"store", PeerRole::kStore, ""}));
    }
    const auto server = StoreServer::Create(server_transport, PartsOf(store_, nullptr),
                                            {.endpoint = kStoreEndpoint})
                            .value();
    std::optional<HelloAck> ack;
    Connection connection(
        peer_transport,
        {.connect = {.endpoint = kStoreEndpoint}, .hello = {.role = PeerRole::kWorker}},
        {.on_up = [&](const HelloAck& said) { ack = said; }});
    ASSERT_TRUE(connection.Start().ok());
    while (!ack && network.Step()) {
    }
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->stream_port == 0, has_key);
  }
}

TEST_F(StoreServerTest, RequestWhoseTimeIsOverBeforeItsTurnIsNotDone) {
  Serve({.clock = &clock_});
  const RequestId blocker = RequestId::Random();
  store_.contains().Close();
  peer().Say(blocker, BlobExists{});
  const auto ask = [&](Message body, uint64_t timeout_ms) {
    const RequestId id = RequestId::Random();
    EXPECT_TRUE(
        peer()
            .connection.Send({.request_id = id, .timeout_ms = timeout_ms, .body = std::move(body)})
            .ok());
    return id;
  };
  const RequestId set = ask(MetaSet{.key = "late", .value = "x"}, 100);
  const RequestId fetch = ask(FetchBlob{.key = blob_.key, .credit = 1}, 100);
  const RequestId put = ask(PutBlob{.key = UnitKey{}, .bytes = 100}, 100);
  const RequestId patient = ask(MetaSet{.key = "patient", .value = "x"}, ~uint64_t{0});
  const RequestId endless = ask(MetaSet{.key = "endless", .value = "x"}, 0);
  talk_->network().RunUntilIdle();
  clock_.Advance(milliseconds(101));
  store_.contains().Open();
  EXPECT_EQ(Await<Reply>(set).code, Code::kDeadlineExceeded);
  EXPECT_EQ(DoneFor(*talk_, fetch).code, Code::kDeadlineExceeded);
  EXPECT_EQ(DoneFor(*talk_, put).code, Code::kDeadlineExceeded);
  EXPECT_EQ(Await<MetaReply>(patient).entries.size(), 1u);
  EXPECT_EQ(Await<MetaReply>(endless).entries.size(), 1u);
  EXPECT_EQ(meta_.Get("late").value(), std::nullopt);
}

// Frames that are no messages, or messages cut short or changed.
TEST_F(StoreServerTest, GarbageEndsItsSendersLinkAndNothingElse) {
  Serve();
  FakeTransport rogue(talk_->network(), "rogue");
  std::mt19937 random(7);
  const std::vector<uint8_t> good =
      EncodeEnvelope({.request_id = RequestId::Random(), .body = FetchBlob{.key = blob_.key}});
  const auto hello = EncodeEnvelope({.body = Hello{.role = PeerRole::kWorker, .name = "rogue"}});
  for (int i = 0; i < 300; ++i) {
    const SocketId socket = rogue.Connect({.endpoint = kStoreEndpoint}, [](Incoming) {}).value();
    std::vector<uint8_t> bad = good;
    bad.resize(1 + random() % good.size());
    bad[random() % bad.size()] ^= static_cast<uint8_t>(1 + random() % 255);
    for (const auto& bytes : {hello, bad}) {
      (void)rogue.Send(socket, 0,
                       {.header = Frame::Copy(bytes), .payload = Frame::Copy(std::span(bad))});
      talk_->network().RunUntilIdle();
    }
    rogue.Close(socket);
  }
  EXPECT_GT(talk_->links().bad_messages, 0u);
  ExpectServes();
  EXPECT_TRUE(peer().connection.up());
}

// Any message at any time, with ids that are used again: nothing sticks and nothing breaks.
TEST_F(StoreServerTest, MessagesInAnyOrderLeaveNothingOpen) {
  Serve({.chunk_bytes = 1000, .put_window_bytes = 4096, .max_transfers = 3});
  std::mt19937 random(11);
  std::vector<RequestId> ids(4);
  for (RequestId& id : ids) id = RequestId::Random();
  const SampleBlob other = MakeSampleBlob({.seed = 2});
  for (int i = 0; i < 3000; ++i) {
    const UnitKey key = random() % 2 == 0 ? blob_.key : other.key;
    const uint64_t number = random() % 3 == 0 ? random() : random() % 9000;
    const Message messages[] = {FetchBlob{.key = key, .offset = number / 2, .credit = number},
                                PutBlob{.key = key, .bytes = number},
                                Credit{number},
                                Chunk{},
                                PutCommit{},
                                Cancel{},
                                BlobExists{{key}}};
    const size_t payload = random() % 2000;
    peer().Say(ids[random() % ids.size()], messages[random() % std::size(messages)],
               std::span(other.bytes).first(payload));
    if (random() % 2 == 0) talk_->network().RunUntilIdle();
  }
  for (const RequestId& id : ids) peer().Say(id, Cancel{});
  talk_->Settle();
  EXPECT_EQ(store_.open(), 0);
  EXPECT_EQ(ListAll(memory_).value().size(), 1u);
  ExpectServes();
}

TEST_F(StoreServerTest, ServerThatGoesAnswersNobodyAndClosesEverything) {
  Serve({.chunk_bytes = 1000});
  for (int i = 0; i < 10; ++i) {
    peer().Say(RequestId::Random(), FetchBlob{.key = blob_.key, .credit = 1});
  }
  talk_->Settle();
  EXPECT_EQ(store_.open(), 10);
  store_.contains().Close();
  peer().Say(RequestId::Random(), BlobExists{});
  for (int i = 0; i < 10; ++i) {
    peer().Say(RequestId::Random(), FetchBlob{.key = blob_.key, .credit = 1});
  }
  talk_->network().RunUntilIdle();
  ASSERT_TRUE(talk_->StepUntil([&] { return store_.contains().Occupied(); }));
  std::thread opener([&] { store_.contains().Open(); });
  talk_->DestroyServer();
  opener.join();
  talk_->network().RunUntilIdle();
  EXPECT_EQ(store_.open(), 0);
}

}  // namespace
}  // namespace promptcache::testing
