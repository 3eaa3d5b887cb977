// Connection and PeerTable against each other over a network in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "cluster/transport/connection.h"
#include "cluster/transport/peer_table.h"
#include "cluster/wire/codec.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kEndpoint[] = "tcp://127.0.0.1:9";

// A process that listens.
struct Server {
  explicit Server(FakeNetwork& network, PeerTableOptions options = {})
      : transport(network, "server") {
    options.name = "server";
    options.heartbeat = milliseconds(100);
    options.lease = milliseconds(300);
    table.emplace(
        transport, std::move(options),
        PeerEvents{.on_up =
                       [this](const PeerInfo& peer) {
                         last_peer = peer.id;
                         log.push_back("up " + peer.hello.name);
                       },
                   .on_down = [this](const PeerInfo& peer,
                                     const Status&) { log.push_back("down " + peer.hello.name); },
                   .on_message =
                       [this](const PeerInfo& peer, Envelope envelope, Frame payload) {
                         log.push_back(peer.hello.name + " " +
                                       std::string(MessageName(envelope.body)) + TextOf(payload));
                         (void)table->Send(peer.id,
                                           {.request_id = envelope.request_id, .body = Reply{}});
                       }});
    EXPECT_TRUE(table->Listen({.endpoint = kEndpoint}).ok());
  }
  FakeTransport transport;
  std::optional<PeerTable> table;
  std::vector<std::string> log;
  PeerId last_peer = 0;
};

class LinkTest : public ::testing::Test {
 protected:
  void Start(Hello hello = {.name = "client"}) {
    connection_.emplace(
        client_, ConnectionOptions{.connect = {.endpoint = kEndpoint}, .hello = std::move(hello)},
        ConnectionEvents{
            .on_up = [this](const HelloAck& ack) { log_.push_back("up " + ack.name); },
            .on_down = [this](const Status& why) { log_.push_back("down " + why.ToString()); },
            .on_message = [this](
                              Envelope envelope,
                              Frame) { log_.push_back(std::string(MessageName(envelope.body))); }});
    ASSERT_TRUE(connection_->Start().ok());
  }
  Status SendQuery() {
    return connection_->Send({.request_id = RequestId::Random(), .body = StatusQuery{}},
                             TextFrame("!"));
  }

  FakeNetwork network_;
  std::unique_ptr<Server> server_ = std::make_unique<Server>(network_);
  FakeTransport client_{network_, "client"};
  std::optional<Connection> connection_;
  std::vector<std::string> log_;
};

TEST_F(LinkTest, GreetsAndCarriesMessagesBothWays) {
  Start();
  EXPECT_FALSE(connection_->up());
  EXPECT_EQ(SendQuery().code(), Code::kUnavailable);
  network_.RunUntilIdle();
  EXPECT_TRUE(connection_->up());
  EXPECT_TRUE(SendQuery().ok());
  network_.RunUntilIdle();
  EXPECT_THAT(server_->log, ElementsAre("up client", "client status_query!"));
  EXPECT_THAT(log_, ElementsAre("up server", "reply"));
  EXPECT_EQ(server_->table->size(), 1u);
}

TEST_F(LinkTest, HeartbeatsKeepAnIdleLinkUp) {
  Start();
  network_.Advance(milliseconds(60'000));
  EXPECT_THAT(log_, ElementsAre("up server"));
  EXPECT_THAT(server_->log, ElementsAre("up client"));
}

TEST_F(LinkTest, ConnectsWhenTheListenerComesLater) {
  server_ = nullptr;
  Start();
  network_.Advance(milliseconds(10'000));
  EXPECT_FALSE(connection_->up());
  server_ = std::make_unique<Server>(network_);
  network_.Advance(milliseconds(2'100));
  EXPECT_TRUE(connection_->up());
}

TEST_F(LinkTest, SilenceEndsTheLinkOnBothSidesAndHealingBringsItBack) {
  Start();
  network_.RunUntilIdle();
  network_.Partition("client", "server");
  network_.Advance(milliseconds(250));
  EXPECT_TRUE(connection_->up());
  EXPECT_EQ(server_->table->size(), 1u);
  network_.Advance(milliseconds(200));
  EXPECT_FALSE(connection_->up());
  EXPECT_EQ(server_->table->size(), 0u);
  EXPECT_EQ(server_->table->counters().expired, 1u);
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_THAT(log_[1], HasSubstr("silent for 300 ms"));
  network_.Heal("client", "server");
  network_.Advance(milliseconds(6'000));
  EXPECT_TRUE(connection_->up());
  EXPECT_THAT(server_->log, ElementsAre("up client", "down client", "up client"));
}

TEST_F(LinkTest, ADeadListenerIsNoticedWithinOneHeartbeatAndItsSuccessorIsGreeted) {
  Start();
  network_.RunUntilIdle();
  server_ = nullptr;
  network_.Advance(milliseconds(100));
  EXPECT_FALSE(connection_->up());
  server_ = std::make_unique<Server>(network_);
  network_.Advance(milliseconds(1'000));
  EXPECT_TRUE(connection_->up());
  EXPECT_THAT(server_->log, ElementsAre("up client"));
}

TEST_F(LinkTest, AListenerThatForgotThePeerAsksForAGreeting) {
  Start();
  network_.RunUntilIdle();
  server_ = nullptr;
  server_ = std::make_unique<Server>(network_);  // before the client noticed
  EXPECT_TRUE(SendQuery().ok());
  network_.RunUntilIdle();
  EXPECT_FALSE(connection_->up());
  EXPECT_EQ(server_->table->counters().strangers, 1u);
  EXPECT_THAT(log_.back(), HasSubstr("say hello first"));
  network_.Advance(milliseconds(200));
  EXPECT_TRUE(connection_->up());
}

TEST_F(LinkTest, AnotherProtocolVersionIsRefusedWithBothVersions) {
  Start({.min_version = 7, .max_version = 9, .name = "future"});
  network_.RunUntilIdle();
  EXPECT_FALSE(connection_->up());
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], HasSubstr("versions 7 to 9, here it is 1"));
  EXPECT_EQ(server_->table->counters().refused, 1u);
  EXPECT_THAT(server_->log, IsEmpty());
}

TEST_F(LinkTest, AListenerMayRefuseByItsOwnRule) {
  server_ = nullptr;
  server_ = std::make_unique<Server>(network_, PeerTableOptions{.admit = [](const Hello& hello) {
                                       return hello.role == PeerRole::kWorker
                                                  ? Status()
                                                  : FailedPrecondition("only workers connect here");
                                     }});
  Start();
  network_.RunUntilIdle();
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], HasSubstr("only workers connect here"));
}

TEST_F(LinkTest, MorePeersThanTheLimitAreRefused) {
  server_ = nullptr;
  server_ = std::make_unique<Server>(network_, PeerTableOptions{.max_peers = 0});
  Start();
  network_.RunUntilIdle();
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], HasSubstr("the limit of 0 peers"));
}

TEST_F(LinkTest, GarbageDropsItsSenderAndIsCounted) {
  Start();
  network_.RunUntilIdle();
  FakeTransport vandal(network_, "vandal");
  std::vector<std::string> answers;
  const SocketId socket = *vandal.Connect({.endpoint = kEndpoint}, [&](Incoming in) {
    answers.emplace_back(MessageName(DecodeEnvelope(in.frames.header.bytes())->body));
  });
  const auto send = [&](const Frame& frame) {
    ASSERT_TRUE(vandal.Send(socket, 0, {.header = frame}).ok());
    network_.RunUntilIdle();
  };
  send(TextFrame("GET / HTTP/1.1"));
  EXPECT_THAT(answers, ElementsAre("reply"));
  send(Frame::Own(EncodeEnvelope({.body = Hello{.name = "vandal"}})));
  EXPECT_EQ(server_->table->size(), 2u);
  send(TextFrame("garbage"));
  EXPECT_THAT(answers, ElementsAre("reply", "hello_ack", "reply"));
  EXPECT_EQ(server_->table->counters().bad_messages, 2u);
  EXPECT_THAT(server_->log, ElementsAre("up client", "up vandal", "down vandal"));
  EXPECT_TRUE(connection_->up());
}

TEST_F(LinkTest, AFrameOverTheListenersLimitIsNotSentAndTheLinkStays) {
  Start();
  network_.RunUntilIdle();
  const Envelope query{.request_id = RequestId::Random(), .body = StatusQuery{}};
  const std::string text(4 << 20, 'x');
  EXPECT_TRUE(connection_->Send(query, TextFrame(text)).ok());
  const Status refused = connection_->Send(query, TextFrame(text + "x"));
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("4194305 bytes is over the limit of 4194304"));
  network_.RunUntilIdle();
  EXPECT_TRUE(connection_->up());
}

TEST_F(LinkTest, GarbageFromTheListenerEndsTheLink) {
  server_ = nullptr;
  FakeTransport liar(network_, "liar");
  ASSERT_TRUE(liar.Listen({.endpoint = kEndpoint},
                          [&](Incoming in) {
                            (void)liar.Send(in.socket, in.peer, {.header = TextFrame("nonsense")});
                          })
                  .ok());
  Start();
  network_.RunUntilIdle();
  EXPECT_FALSE(connection_->up());
  EXPECT_EQ(connection_->bad_messages(), 1u);
  EXPECT_EQ(log_.size(), 1u);
}

TEST_F(LinkTest, StrangersAreToldToGreetButAnswersAreNotAnswered) {
  FakeTransport stranger(network_, "stranger");
  int answers = 0;
  const SocketId socket = *stranger.Connect({.endpoint = kEndpoint}, [&](Incoming) { ++answers; });
  const auto send = [&](const Message& body) {
    ASSERT_TRUE(
        stranger.Send(socket, 0, {.header = Frame::Own(EncodeEnvelope({.body = body}))}).ok());
    network_.RunUntilIdle();
  };
  send(StatusQuery{});
  EXPECT_EQ(answers, 1);
  send(Reply{});
  send(Pong{});
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(server_->table->counters().strangers, 3u);
  EXPECT_THAT(server_->log, IsEmpty());
}

TEST_F(LinkTest, BackoffGrowsToItsLimit) {
  server_ = nullptr;
  FakeTransport mute(network_, "mute");  // listens and never answers
  int hellos = 0;
  ASSERT_TRUE(mute.Listen({.endpoint = kEndpoint}, [&](Incoming) { ++hellos; }).ok());
  Start();
  network_.Advance(milliseconds(60'000));
  // An attempt takes 3 s and the pauses end at 1.5 to 2 s.
  EXPECT_GE(hellos, 60'000 / 5'100);
  EXPECT_LE(hellos, 17);
  EXPECT_EQ(log_.size(), static_cast<size_t>(hellos) - (connection_->up() ? 0 : 1));
}

TEST_F(LinkTest, AListenerThatGreetsAndThenDropsIsAskedLessAndLess) {
  Start();
  for (int i = 0; i < 600; ++i) {
    network_.Advance(milliseconds(100));
    if (connection_->up()) server_->table->Drop(server_->last_peer, Busy("go away"));
  }
  EXPECT_LE(log_.size(), 2 * 45u);  // up and down
}

TEST_F(LinkTest, ALinkThatLastedComesBackSoon) {
  Start();
  network_.Advance(milliseconds(1'000));
  for (int i = 0; i < 8; ++i) {
    server_ = nullptr;
    network_.Advance(milliseconds(100));
    EXPECT_FALSE(connection_->up());
    server_ = std::make_unique<Server>(network_);
    network_.Advance(milliseconds(200));
    EXPECT_TRUE(connection_->up()) << i;
    network_.Advance(milliseconds(1'000));
  }
}

TEST_F(LinkTest, StopEndsEverythingWithoutACallback) {
  Start();
  network_.RunUntilIdle();
  connection_->Stop();
  network_.Advance(milliseconds(5'000));
  EXPECT_THAT(log_, ElementsAre("up server"));
  EXPECT_FALSE(connection_->up());
  EXPECT_EQ(server_->table->size(), 0u);
}

TEST_F(LinkTest, ACallbackMayDestroyTheConnection) {
  int downs = 0;
  std::unique_ptr<Connection> connection;
  connection = std::make_unique<Connection>(
      client_, ConnectionOptions{.connect = {.endpoint = kEndpoint}, .hello = {.name = "c"}},
      ConnectionEvents{.on_down = [&](const Status&) {
        connection = nullptr;
        ++downs;
      }});
  ASSERT_TRUE(connection->Start().ok());
  network_.RunUntilIdle();
  server_ = nullptr;
  network_.Advance(milliseconds(10'000));
  EXPECT_EQ(downs, 1);
}

TEST_F(LinkTest, AnEndpointThatCanNeverWorkIsAnErrorAtOnce) {
  Connection connection(client_, {.connect = {.endpoint = "tcp://10.0.0.1:80"}}, {});
  EXPECT_EQ(connection.Start().code(), Code::kInvalidArgument);
}

TEST_F(LinkTest, DroppingAPeerTellsItWhy) {
  Start();
  network_.RunUntilIdle();
  server_->table->Drop(server_->table->Find(1) ? 1 : 0, InvalidArgument("bad manners"));
  network_.RunUntilIdle();
  EXPECT_THAT(log_.back(), HasSubstr("bad manners"));
  EXPECT_THAT(server_->log, ElementsAre("up client", "down client"));
}

}  // namespace
}  // namespace promptcache::testing
