// Real sockets with keys: who gets in, who does not, and what becomes of who did.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/transport/echo.h"
#include "tests/unit/transport/key_files.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace testing;  // NOLINT: the fakes of this project

// As if nobody looked after the list but who is asked to.
constexpr milliseconds kNever{std::chrono::hours(1)};

std::string WithoutKey(const std::string& endpoint) {
  return endpoint.substr(0, endpoint.find('#'));
}

class SecureTransportTest : public ::testing::Test {
 protected:
  SecureTransportTest() { files_.Allow({alice_}); }

  ZmqTransportOptions Options(const LinkKey& own, milliseconds key_check = kNever) const {
    return {.security = files_.Listener(own), .key_check = key_check};
  }
  static ZmqTransportOptions OptionsOfClient(const LinkKey& own) {
    return {.security = {.own = own}};
  }
  // Why nothing can be sent, once that is because of keys.
  static std::string WhyRefused(EchoClient& client) {
    Status status;
    EXPECT_TRUE(Eventually([&] {
      status = client.Send({.header = TextFrame("x")});
      return status.code() == Code::kFailedPrecondition;
    })) << status.ToString();
    return status.message();
  }
  // How many peers have failed to get in; waits until there are some.
  static bool Fails(ReactorThread& reactor, uint64_t TransportCounters::*counter) {
    return Eventually([&] { return reactor.transport().counters().*counter > 0; });
  }

  const KeyFiles files_;
  const LinkKey server_ = NewKey({.name = "coordinator", .role = PeerRole::kCoordinator});
  const LinkKey alice_ = NewKey({.name = "alice", .role = PeerRole::kClient, .tenant = "acme"});
  const LinkKey mallory_ = NewKey({.name = "mallory", .role = PeerRole::kAdmin});
};

TEST_F(SecureTransportTest, MessagesComeWithWhoseKeyTheirLinkHas) {
  TempDirectory directory;
  for (const std::string& wanted :
       {std::string("tcp://127.0.0.1:*"), "ipc://" + (directory.path() / "echo").string()}) {
    ReactorThread server_reactor(Options(server_));
    ReactorThread client_reactor(OptionsOfClient(alice_));
    EchoServer server(server_reactor, wanted);
    EXPECT_THAT(server.endpoint, HasSubstr("#" + ToZ85(server_.secret.public_key())));
    EchoClient client(client_reactor, server.endpoint);
    EXPECT_EQ(client.Echo("hello"), "hello");
    EXPECT_EQ(server.keys.Pop(), alice_.owner);
    EXPECT_EQ(*client_reactor.transport().self(), alice_.owner);
  }
}

TEST_F(SecureTransportTest, LinksWithinTheProcessHaveNoKeys) {
  ReactorThread reactor(Options(server_));
  EchoServer server(reactor, "inproc://a");
  EchoClient client(reactor, "inproc://a");
  EXPECT_EQ(client.Echo("hello"), "hello");
  EXPECT_EQ(server.keys.TryPop(), std::nullopt);
}

TEST_F(SecureTransportTest, AKeyThatIsNotOnTheListIsRefusedAndTold) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread mallory_reactor(OptionsOfClient(mallory_));
  ReactorThread alice_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient mallory(mallory_reactor, server.endpoint);
  EXPECT_THAT(WhyRefused(mallory), HasSubstr("promptcache keys allow"));
  EXPECT_TRUE(Fails(server_reactor, &TransportCounters::unknown_keys));
  EXPECT_EQ(server_reactor.transport().counters().failed_handshakes, 0u);
  EchoClient alice(alice_reactor, server.endpoint);
  EXPECT_EQ(alice.Echo("hello"), "hello");
  EXPECT_EQ(server.received, 1);
}

TEST_F(SecureTransportTest, AListenerThatDoesNotProveTheExpectedKeyIsNotTalkedTo) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread client_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor,
                    WithoutKey(server.endpoint) + "#" + ToZ85(mallory_.secret.public_key()));
  EXPECT_TRUE(Fails(server_reactor, &TransportCounters::failed_handshakes));
  EXPECT_FALSE(client.Send({.header = TextFrame("x")}).ok());
  EXPECT_EQ(server.received, 0);
}

TEST_F(SecureTransportTest, PlainClientsDoNotReachAListenerWithKeys) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread client_reactor;
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor, WithoutKey(server.endpoint));
  EXPECT_THAT(WhyRefused(client), HasSubstr("security.own_key"));
  EXPECT_TRUE(Fails(server_reactor, &TransportCounters::failed_handshakes));
  EXPECT_EQ(server.received, 0);
}

TEST_F(SecureTransportTest, PlainListenersAreNotTalkedToWithKeys) {
  ReactorThread server_reactor;
  ReactorThread client_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor, server.endpoint + "#" + ToZ85(server_.secret.public_key()));
  // Whoever sees first that the other has another mechanism closes.
  EXPECT_TRUE(Eventually([&] {
    const std::string why = client.Send({.header = TextFrame("x")}).message();
    return why.find("does not prove") != why.npos || why.find("broke a handshake off") != why.npos;
  }));
  EXPECT_EQ(server.received, 0);
}

TEST_F(SecureTransportTest, GarbageHandshakesDisturbNobodyAndAreCounted) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread client_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor, server.endpoint);
  EXPECT_EQ(client.Echo("before"), "before");
  std::string greeting("\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE", 17);
  greeting.resize(64);
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::string garbage(2'048, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    if (round % 2) garbage.replace(0, greeting.size(), greeting);
    // A HELLO of the right size and form, whose boxes do not open.
    if (round % 4 == 3) garbage.replace(greeting.size(), 8, std::string("\4\xc8\5HELLO", 8));
    ThrowBytesAt(WithoutKey(server.endpoint), garbage);
    EXPECT_EQ(client.Echo("between"), "between");
  }
  EXPECT_TRUE(Fails(server_reactor, &TransportCounters::failed_handshakes));
  EXPECT_EQ(server.received, 21);
}

TEST_F(SecureTransportTest, WhatComesWithARevokedKeyIsDroppedAtOnce) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread client_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor, server.endpoint);
  EXPECT_EQ(client.Echo("before"), "before");
  files_.Allow({});
  server_reactor.Call([&] { server_reactor.transport().ReloadKeys(); });
  EXPECT_TRUE(client.Send({.header = TextFrame("after")}).ok());
  EXPECT_TRUE(Fails(server_reactor, &TransportCounters::revoked));
  EXPECT_EQ(server.received, 1);
  EchoClient again(client_reactor, server.endpoint);
  (void)WhyRefused(again);
}

TEST_F(SecureTransportTest, AChangedListIsReadWithoutBeingAskedFor) {
  ReactorThread server_reactor(Options(server_, milliseconds(5)));
  ReactorThread mallory_reactor(OptionsOfClient(mallory_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  {
    EchoClient mallory(mallory_reactor, server.endpoint);
    (void)WhyRefused(mallory);
  }
  files_.Allow({alice_, mallory_});
  // A socket that was refused stays so: whoever wants in opens another.
  EXPECT_TRUE(Eventually([&] {
    EchoClient mallory(mallory_reactor, server.endpoint);
    Status sent;
    EXPECT_TRUE(Eventually([&] {
      sent = mallory.Send({.header = TextFrame("hello")});
      return sent.code() != Code::kUnavailable;
    }));
    return sent.ok() && mallory.answers().Pop().has_value();
  }));
  EXPECT_EQ(server.keys.Pop(), mallory_.owner);
}

TEST_F(SecureTransportTest, AListThatCannotBeReadLeavesTheOldOneInForce) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread client_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  EchoClient client(client_reactor, server.endpoint);
  EXPECT_EQ(client.Echo("before"), "before");
  files_.Write("[[key");
  server_reactor.Call([&] { server_reactor.transport().ReloadKeys(); });
  EXPECT_EQ(client.Echo("after"), "after");
}

TEST_F(SecureTransportTest, IdleConnectionsDoNotKeepOthersOut) {
  ReactorThread server_reactor(Options(server_));
  ReactorThread client_reactor(OptionsOfClient(alice_));
  EchoServer server(server_reactor, "tcp://127.0.0.1:*");
  std::vector<std::unique_ptr<IdleConnection>> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(std::make_unique<IdleConnection>(WithoutKey(server.endpoint)));
  }
  EchoClient client(client_reactor, server.endpoint);
  EXPECT_EQ(client.Echo("hello"), "hello");
}

TEST_F(SecureTransportTest, NobodyListensWithAKeyAndWithoutAList) {
  ReactorThread reactor(OptionsOfClient(alice_));
  const auto refused = reactor.Call(
      [&] { return reactor.transport().Listen({.endpoint = "tcp://127.0.0.1:*"}, {}); });
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("security.keys"));
}

TEST_F(SecureTransportTest, AListThatIsMissingIsAnErrorAtTheStart) {
  ZmqTransportOptions options = Options(server_);
  options.security.keys = files_.Path("none.toml");
  EXPECT_EQ(ZmqTransport::Create(options).status().code(), Code::kNotFound);
}

TEST_F(SecureTransportTest, OneTransportOfAContextDecidesWhoGetsIn) {
  const auto context = TransportContext::Create();
  ZmqTransportOptions options = Options(server_);
  options.context = context;
  const auto first = ZmqTransport::Create(options);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(ZmqTransport::Create(options).status().code(), Code::kFailedPrecondition);
}

TEST_F(SecureTransportTest, ListensBeyondLoopbackWithAKeyOrWithLeave) {
  const auto listens = [](ZmqTransportOptions options) {
    ReactorThread reactor(std::move(options));
    return reactor
        .Call([&] { return reactor.transport().Listen({.endpoint = "tcp://0.0.0.0:*"}, {}); })
        .ok();
  };
  EXPECT_TRUE(listens(Options(server_)));
  EXPECT_FALSE(listens({}));
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(listens({.security = {.allow_plaintext = true}}));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("security.allow_plaintext"));
}

TEST_F(SecureTransportTest, RefusalsAreLoggedInSumAndNoSecretEver) {
  ::testing::internal::CaptureStderr();
  std::string told;
  {
    ReactorThread server_reactor(Options(server_, milliseconds(5)));
    ReactorThread mallory_reactor(OptionsOfClient(mallory_));
    EchoServer server(server_reactor, "tcp://127.0.0.1:*");
    EchoClient mallory(mallory_reactor, server.endpoint);
    told += WhyRefused(mallory);
    ThrowBytesAt(WithoutKey(server.endpoint), std::string(500, 'x'));
    files_.Write("[[key");
    // Refusals that came before this one are in the log when another round has begun.
    std::atomic<int> rounds{0};
    server_reactor.Call([&] {
      server_reactor.transport().ReloadKeys();
      server_reactor.transport().After(milliseconds(20), [&rounds] { ++rounds; });
    });
    EXPECT_TRUE(Eventually([&] { return rounds > 0; }));
    const auto wrong = mallory_reactor.Call(
        [&] { return mallory_reactor.transport().Listen({.endpoint = "tcp://0.0.0.0:1"}, {}); });
    told += wrong.status().ToString();
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("peers were refused"));
  EXPECT_THAT(log, HasSubstr(ToZ85(mallory_.secret.public_key())));
  EXPECT_THAT(log, HasSubstr("the old one holds"));
  for (const LinkKey* key : {&server_, &alice_, &mallory_}) {
    EXPECT_THAT(log + told, Not(HasSubstr(key->secret.ToZ85())));
  }
}

}  // namespace
}  // namespace promptcache
