// PeerTable and what keys say: who a peer is and what it may do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/transport/connection.h"
#include "cluster/transport/peer_table.h"
#include "cluster/wire/codec.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/transport/echo.h"
#include "tests/unit/transport/key_files.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kEndpoint[] = "tcp://127.0.0.1:9";

const KeyOwner kGpu1{.name = "gpu-1", .role = PeerRole::kWorker};
const KeyOwner kAlice{.name = "alice", .role = PeerRole::kClient, .tenant = "acme"};

class AuthenticatedLinkTest : public ::testing::Test {
 protected:
  AuthenticatedLinkTest() { EXPECT_TRUE(table_.Listen({.endpoint = kEndpoint}).ok()); }

  // A peer that keeps no rules, with a key.
  void Become(const KeyOwner& owner) {
    key_ = std::make_shared<PeerKey>(owner);
    peer_.SetKey(key_);
    socket_ = peer_
                  .Connect({.endpoint = kEndpoint},
                           [this](Incoming in) {
                             const auto envelope = DecodeEnvelope(in.frames.header.bytes());
                             const auto* reply = std::get_if<Reply>(&envelope->body);
                             answers_.push_back(reply ? reply->message
                                                      : std::string(MessageName(envelope->body)));
                           })
                  .value();
  }
  void Send(const Message& body) {
    ASSERT_TRUE(
        peer_.Send(socket_, 0, {.header = Frame::Own(EncodeEnvelope({.body = body}))}).ok());
    network_.RunUntilIdle();
  }

  FakeNetwork network_;
  FakeTransport server_{network_, "server"};
  FakeTransport peer_{network_, "peer"};
  std::vector<std::string> log_;
  std::string tenant_;  // of the peer that came last
  PeerTable table_{
      server_,
      {.name = "server"},
      {.on_up =
           [this](const PeerInfo& peer) {
             tenant_ = peer.tenant();
             log_.push_back("up " + peer.hello.name);
           },
       .on_down = [this](const PeerInfo& peer,
                         const Status&) { log_.push_back("down " + peer.hello.name); },
       .on_message = [this](const PeerInfo&, const Envelope& envelope,
                            const Frame&) { log_.emplace_back(MessageName(envelope.body)); }}};
  std::shared_ptr<PeerKey> key_;
  SocketId socket_ = 0;
  std::vector<std::string> answers_;
};

TEST_F(AuthenticatedLinkTest, TheKeysOwnerIsLetInWithItsTenant) {
  Become(kAlice);
  Send(Hello{.role = PeerRole::kClient, .name = "alice"});
  Send(StatusQuery{});
  EXPECT_THAT(log_, ElementsAre("up alice", "status_query"));
  EXPECT_EQ(tenant_, "acme");
}

TEST_F(AuthenticatedLinkTest, AnotherNameThanTheKeysIsRefused) {
  Become(kGpu1);
  Send(Hello{.role = PeerRole::kWorker, .name = "gpu-2"});
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_THAT(answers_[0], HasSubstr("of the worker 'gpu-1'"));
  EXPECT_THAT(answers_[0], HasSubstr("of the worker 'gpu-2'"));
  EXPECT_EQ(table_.counters().impostors, 1u);
  EXPECT_EQ(table_.counters().refused, 1u);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(AuthenticatedLinkTest, AnotherRoleThanTheKeysIsRefused) {
  Become(kAlice);
  for (const PeerRole role : {PeerRole::kWorker, PeerRole::kAdmin, PeerRole::kCoordinator}) {
    Send(Hello{.role = role, .name = "alice"});
  }
  EXPECT_EQ(table_.counters().impostors, 3u);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(AuthenticatedLinkTest, ALinkThatTakesAnotherNameLaterIsLost) {
  Become(kGpu1);
  Send(Hello{.role = PeerRole::kWorker, .name = "gpu-1"});
  Send(Hello{.role = PeerRole::kWorker, .name = "gpu-2"});
  EXPECT_EQ(table_.counters().impostors, 1u);
  EXPECT_THAT(log_, ElementsAre("up gpu-1", "down gpu-1"));
}

TEST_F(AuthenticatedLinkTest, AMessageThatTheRoleMayNotSendEndsTheLink) {
  Become(kAlice);
  Send(Hello{.role = PeerRole::kClient, .name = "alice"});
  Send(Heartbeat{});
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_THAT(answers_[1], HasSubstr("of the role client may not send heartbeat"));
  EXPECT_EQ(table_.counters().forbidden, 1u);
  EXPECT_THAT(log_, ElementsAre("up alice", "down alice"));
  Send(StatusQuery{});
  EXPECT_EQ(table_.counters().strangers, 1u);
  EXPECT_EQ(log_.size(), 2u);
}

TEST_F(AuthenticatedLinkTest, RolesThatNobodyHasProvedAreNotHeldAgainstAPeer) {
  Become(kAlice);
  peer_.SetKey(nullptr);
  Send(Hello{.role = PeerRole::kClient, .name = "anybody"});
  Send(Heartbeat{});
  EXPECT_THAT(log_, ElementsAre("up anybody", "heartbeat"));
  EXPECT_EQ(tenant_, "");
}

TEST_F(AuthenticatedLinkTest, ARevokedKeyLosesItsLinkWithinAHeartbeat) {
  Become(kAlice);
  Send(Hello{.role = PeerRole::kClient, .name = "alice"});
  key_->Revoke();
  Send(StatusQuery{});
  EXPECT_THAT(log_, ElementsAre("up alice"));
  network_.Advance(milliseconds(500));
  EXPECT_THAT(log_, ElementsAre("up alice", "down alice"));
  EXPECT_THAT(answers_.back(), HasSubstr("not allowed any more"));
  EXPECT_EQ(table_.counters().revoked, 1u);
}

TEST_F(AuthenticatedLinkTest, AKeyThatIsForSomebodyElseNowLosesTheLinksItHad) {
  Become(kAlice);
  Send(Hello{.role = PeerRole::kClient, .name = "alice"});
  key_->Revoke();
  peer_.SetKey(std::make_shared<PeerKey>(
      KeyOwner{.name = "alice", .role = PeerRole::kClient, .tenant = "other"}));
  Send(StatusQuery{});
  EXPECT_THAT(log_, ElementsAre("up alice", "down alice"));
  Send(Hello{.role = PeerRole::kClient, .name = "alice"});
  EXPECT_EQ(tenant_, "other");
}

TEST_F(AuthenticatedLinkTest, AConnectionGreetsAsTheOwnerOfItsKey) {
  FakeTransport client(network_, "client");
  client.SetKey(std::make_shared<PeerKey>(kAlice));
  Connection connection(client,
                        {.connect = {.endpoint = kEndpoint},
                         .hello = {.role = PeerRole::kWorker, .name = "promptcache-cli"}},
                        {});
  ASSERT_TRUE(connection.Start().ok());
  network_.RunUntilIdle();
  EXPECT_THAT(log_, ElementsAre("up alice"));
}

// ---- places ----

class PlacesTest : public ::testing::Test {
 protected:
  PlacesTest() { EXPECT_TRUE(table_.Listen({.endpoint = kEndpoint}).ok()); }

  // Another peer with a key; an owner without a name has none. Whether it was let in.
  bool Join(const KeyOwner& owner) {
    auto& peer = *peers_.emplace_back(std::make_unique<FakeTransport>(network_, "peer"));
    if (!owner.name.empty()) peer.SetKey(std::make_shared<PeerKey>(owner));
    const auto socket = peer.Connect({.endpoint = kEndpoint}, [](const Incoming&) {});
    const Message hello = Hello{.role = owner.role, .name = owner.name};
    EXPECT_TRUE(
        peer.Send(*socket, 0, {.header = Frame::Own(EncodeEnvelope({.body = hello}))}).ok());
    const size_t before = table_.size();
    network_.RunUntilIdle();
    return table_.size() > before;
  }
  // Drops the peer that joined first.
  void Leave() { table_.Drop(table_.peers().front(), Unavailable("gone")); }

  FakeNetwork network_;
  FakeTransport server_{network_, "server"};
  std::vector<std::unique_ptr<FakeTransport>> peers_;
  PeerTable table_{server_, {.name = "server", .max_peers = 8}, {}};
};

KeyOwner ClientOf(const std::string& name, const std::string& tenant = "") {
  return {.name = name, .role = PeerRole::kClient, .tenant = tenant};
}

TEST_F(PlacesTest, OneNameTakesAQuarterOfThePlaces) {
  EXPECT_TRUE(Join(ClientOf("alice")));
  EXPECT_TRUE(Join(ClientOf("alice")));
  EXPECT_FALSE(Join(ClientOf("alice")));
  EXPECT_TRUE(Join(ClientOf("bob")));
  EXPECT_EQ(table_.counters().refused, 1u);
  Leave();
  EXPECT_TRUE(Join(ClientOf("alice")));
}

TEST_F(PlacesTest, OneTenantTakesAQuarterOfThePlaces) {
  EXPECT_TRUE(Join(ClientOf("alice", "acme")));
  EXPECT_TRUE(Join(ClientOf("bob", "acme")));
  EXPECT_FALSE(Join(ClientOf("carol", "acme")));
  EXPECT_TRUE(Join(ClientOf("dave", "other")));
  Leave();
  EXPECT_TRUE(Join(ClientOf("carol", "acme")));
}

TEST_F(PlacesTest, ThereIsAPlaceForAnAdminWhenAllOthersAreTaken) {
  for (int n = 0; n < 7; ++n) EXPECT_TRUE(Join(ClientOf("client" + std::to_string(n))));
  EXPECT_FALSE(Join(ClientOf("late")));
  EXPECT_TRUE(Join({.name = "root", .role = PeerRole::kAdmin}));
}

TEST_F(PlacesTest, WithoutKeysNobodyIsToldApart) {
  for (int n = 0; n < 8; ++n) EXPECT_TRUE(Join({.role = PeerRole::kClient}));
  EXPECT_FALSE(Join({.role = PeerRole::kClient}));
}

// ---- with real sockets ----

TEST(AuthenticatedLink, IsUpWithAKeyThatIsAllowedAndGoesWithIt) {
  const KeyFiles files;
  const LinkKey server_key = NewKey({.name = "coordinator", .role = PeerRole::kCoordinator});
  const LinkKey alice = NewKey(kAlice);
  files.Allow({alice});
  ReactorThread server(ZmqTransportOptions{.security = files.Listener(server_key)});
  ReactorThread client(ZmqTransportOptions{.security = {.own = alice}});
  Inbox<std::string> seen;
  Inbox<Status> told;
  std::unique_ptr<PeerTable> table;
  std::unique_ptr<Connection> connection;
  const std::string endpoint = server.Call([&] {
    table = std::make_unique<PeerTable>(
        server.transport(), PeerTableOptions{.heartbeat = milliseconds(20)},
        PeerEvents{.on_up = [&](const PeerInfo& peer) { seen.Push("up " + peer.tenant()); },
                   .on_down = [&](const PeerInfo&, const Status&) { seen.Push("down"); }});
    return table->Listen({.endpoint = "tcp://127.0.0.1:*"}).value();
  });
  client.Call([&] {
    connection = std::make_unique<Connection>(
        client.transport(), ConnectionOptions{.connect = {.endpoint = endpoint}},
        ConnectionEvents{.on_down = [&](const Status& why) { told.Push(why); }});
    ASSERT_TRUE(connection->Start().ok());
  });
  EXPECT_EQ(seen.Pop(), "up acme");
  files.Allow({});
  server.Call([&] { server.transport().ReloadKeys(); });
  EXPECT_EQ(seen.Pop(), "down");
  EXPECT_THAT(told.Pop()->message(), HasSubstr("not allowed any more"));
  // Coming back, it does not get that far.
  EXPECT_THAT(told.Pop()->message(), HasSubstr("does not let this key in"));
  client.Call([&] { connection = nullptr; });
  server.Call([&] { table = nullptr; });
}

}  // namespace
}  // namespace promptcache::testing
