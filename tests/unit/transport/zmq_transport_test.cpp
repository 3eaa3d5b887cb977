#include "cluster/transport/zmq_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <latch>
#include <random>

#include "common/hash.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/unit/transport/echo.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using namespace testing;  // NOLINT: the fakes of this project

class EveryEndpoint : public ::testing::TestWithParam<const char*> {
 protected:
  std::string Endpoint() const {
    const std::string kind = GetParam();
    return kind == "ipc"   ? "ipc://" + (directory_.path() / "echo").string()
           : kind == "tcp" ? "tcp://127.0.0.1:*"
                           : "inproc://echo";
  }
  TempDirectory directory_;
  std::shared_ptr<TransportContext> context_ = TransportContext::Create();
};

TEST_P(EveryEndpoint, EchoesHeaderAndPayload) {
  ReactorThread server_reactor(context_);
  ReactorThread client_reactor(context_);
  EchoServer server(server_reactor, Endpoint());
  EchoClient client(client_reactor, server.endpoint);
  client.SendWhenConnected({.header = TextFrame("header"), .payload = TextFrame("payload")});
  const auto answer = client.answers().Pop();
  ASSERT_TRUE(answer);
  EXPECT_EQ(TextOf(answer->header), "header");
  EXPECT_EQ(TextOf(answer->payload), "payload");
  EXPECT_EQ(client.Echo("again"), "again");
}

TEST_P(EveryEndpoint, AListenerOnAnAddressInUseIsUnavailable) {
  ReactorThread reactor(context_);
  EchoServer server(reactor, Endpoint());
  const auto second =
      reactor.Call([&] { return reactor.transport().Listen({.endpoint = server.endpoint}, {}); });
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kUnavailable) << second.status().ToString();
  EXPECT_THAT(second.status().message(), HasSubstr(server.endpoint));
}

TEST_P(EveryEndpoint, SendingWithoutAListenerIsUnavailable) {
  ReactorThread reactor(context_);
  std::string endpoint = Endpoint();
  {
    ReactorThread other(context_);
    endpoint = EchoServer(other, endpoint).endpoint;
  }
  // ZeroMQ closes the listener behind the back of who destroyed it.
  EXPECT_TRUE(Eventually([&] {
    EchoClient client(reactor, endpoint);
    return client.Send({.header = TextFrame("x")}).code() == Code::kUnavailable;
  }));
}

TEST_P(EveryEndpoint, ADepartedPeerIsUnavailable) {
  ReactorThread server_reactor(context_);
  EchoServer server(server_reactor, Endpoint());
  {
    ReactorThread client_reactor(context_);
    EchoClient client(client_reactor, server.endpoint);
    EXPECT_EQ(client.Echo("hello"), "hello");
  }
  EXPECT_TRUE(Eventually([&] {
    const Status status = server_reactor.Call([&] {
      return server_reactor.transport().Send(server.socket, server.last_peer,
                                             {.header = TextFrame("x")});
    });
    return status.code() == Code::kUnavailable;
  }));
}

TEST_P(EveryEndpoint, AFullQueueIsBusy) {
  ReactorThread server_reactor(context_);
  ReactorThread client_reactor(context_);
  EchoServer server(server_reactor, Endpoint());
  EchoClient client(client_reactor, server.endpoint);
  ASSERT_EQ(client.Echo("x"), "x");
  std::latch blocked(1);
  server_reactor.transport().Post([&] { blocked.wait(); });
  const Frames frames{.header = TextFrame(std::string(64 << 10, 'x'))};
  Status status;
  for (int i = 0; i < 100'000 && status.ok(); ++i) status = client.Send(frames);
  EXPECT_EQ(status.code(), Code::kBusy) << status.ToString();
  blocked.count_down();
}

INSTANTIATE_TEST_SUITE_P(ZmqTransport, EveryEndpoint, ::testing::Values("inproc", "ipc", "tcp"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(ZmqTransport, BoundEndpointHasThePort) {
  ReactorThread reactor;
  EchoServer server(reactor, "tcp://127.0.0.1:*");
  EXPECT_TRUE(server.endpoint.starts_with("tcp://127.0.0.1:"));
  EXPECT_FALSE(server.endpoint.ends_with("*"));
  EXPECT_FALSE(reactor.Call([&] { return reactor.transport().BoundEndpoint(99); }).ok());
}

TEST(ZmqTransport, RefusesToListenBeyondLoopback) {
  ReactorThread reactor;
  const auto result =
      reactor.Call([&] { return reactor.transport().Listen({.endpoint = "tcp://0.0.0.0:*"}, {}); });
  EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
}

TEST(ZmqTransport, UnknownPeersAndSocketsAreUnavailable) {
  ReactorThread reactor;
  EchoServer server(reactor, "inproc://a");
  const auto send = [&](SocketId socket, PeerId peer) {
    return reactor
        .Call([&] { return reactor.transport().Send(socket, peer, {.header = TextFrame("x")}); })
        .code();
  };
  EXPECT_EQ(send(server.socket, 77), Code::kUnavailable);
  EXPECT_EQ(send(server.socket, 0), Code::kUnavailable);
  EXPECT_EQ(send(server.socket, ~PeerId{0}), Code::kUnavailable);
  EXPECT_EQ(send(1234, 1), Code::kUnavailable);
}

TEST(ZmqTransport, RefusesEmptyHeadersAndFramesOverTheLimit) {
  ReactorThread reactor;
  EchoServer server(reactor, "inproc://a");
  EchoClient client(reactor, "inproc://a", /*limit=*/1000);
  EXPECT_EQ(client.Send({}).code(), Code::kInvalidArgument);
  EXPECT_EQ(client.Send({.header = TextFrame(std::string(1001, 'x'))}).code(),
            Code::kResourceExhausted);
  EXPECT_EQ(
      client.Send({.header = TextFrame("x"), .payload = TextFrame(std::string(1001, 'x'))}).code(),
      Code::kResourceExhausted);
  EXPECT_EQ(client.Echo("x"), "x");
}

TEST(ZmqTransport, GarbageOnThePortDisturbsNobody) {
  ReactorThread reactor;
  EchoServer server(reactor, "tcp://127.0.0.1:*");
  EchoClient client(reactor, server.endpoint);
  EXPECT_EQ(client.Echo("before"), "before");
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::string garbage(4096, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    // The signature of the protocol makes some rounds get further.
    if (round % 2) garbage.replace(0, 11, std::string("\xff\0\0\0\0\0\0\0\1\x7f\3", 11));
    ThrowBytesAt(server.endpoint, garbage);
    EXPECT_EQ(client.Echo("between"), "between");
  }
  EXPECT_EQ(server.received, 21);
}

TEST(ZmqTransport, AMessageOverTheLimitDropsItsSenderOnly) {
  ReactorThread reactor;
  EchoServer server(reactor, "tcp://127.0.0.1:*", /*limit=*/64 << 10);
  EchoClient good(reactor, server.endpoint);
  EchoClient bad(reactor, server.endpoint);
  EXPECT_EQ(good.Echo("a"), "a");
  EXPECT_EQ(bad.Echo("b"), "b");
  const PeerId bad_peer = server.last_peer;
  bad.SendWhenConnected({.header = TextFrame(std::string(1 << 20, 'x'))});
  EXPECT_TRUE(Eventually([&] {
    return !reactor
                .Call([&] {
                  return reactor.transport().Send(server.socket, bad_peer,
                                                  {.header = TextFrame("x")});
                })
                .ok();
  }));
  EXPECT_EQ(good.Echo("c"), "c");
  EXPECT_EQ(server.received, 3);
}

TEST(ZmqTransport, MessagesOfTheWrongShapeAreDroppedAndCounted) {
  ReactorThread reactor;
  EchoServer server(reactor, "tcp://127.0.0.1:*");
  RawDealer raw;
  raw.Connect(server.endpoint);
  raw.Send({"one", "two", "three"});
  raw.Send({""});
  raw.Send({"", "payload"});
  raw.Send({"1", "2", "3", "4", "5", "6", "7", "8"});
  raw.Send({"good"});
  EXPECT_EQ(raw.Receive(), "good");
  EXPECT_EQ(reactor.transport().counters().bad_frames, 4u);
  EXPECT_EQ(server.received, 1);
}

TEST(ZmqTransport, PeersThatNameThemselvesAreNotServed) {
  ReactorThread reactor;
  EchoServer server(reactor, "tcp://127.0.0.1:*");
  RawDealer raw("somebody");
  raw.Connect(server.endpoint);
  raw.Send({"x"});
  EXPECT_TRUE(Eventually([&] { return reactor.transport().counters().bad_frames == 1; }));
  EXPECT_EQ(server.received, 0);
}

TEST(ZmqTransport, AHandlerMayCloseItsOwnSocket) {
  ReactorThread reactor;
  EchoServer server(reactor, "inproc://a");
  Inbox<std::string> seen;
  SocketId socket = 0;
  socket = reactor.Call([&] {
    return *reactor.transport().Connect({.endpoint = "inproc://a"}, [&](Incoming in) {
      reactor.transport().Close(in.socket);
      seen.Push(TextOf(in.frames.header));
    });
  });
  const auto send = [&] {
    return reactor.transport().Send(socket, 0, {.header = TextFrame("x")}).code();
  };
  reactor.Call([&] {
    EXPECT_EQ(send(), Code::kOk);
    EXPECT_EQ(send(), Code::kOk);
  });
  EXPECT_EQ(seen.Pop(), "x");
  EXPECT_EQ(reactor.Call(send), Code::kUnavailable);
  EXPECT_EQ(seen.TryPop(), std::nullopt);
}

TEST(ZmqTransport, PostsFromManyThreadsAllRunOnTheReactorInEachThreadsOrder) {
  constexpr int kThreads = 8;
  constexpr int kPosts = 2'000;
  ReactorThread reactor;
  std::vector<int> last(kThreads, -1);
  std::latch done(kThreads * kPosts);
  std::atomic<int> out_of_order{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        reactor.transport().Post([&, t, i] {
          if (last[t] != i - 1) ++out_of_order;
          last[t] = i;
          done.count_down();
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  done.wait();
  EXPECT_EQ(out_of_order, 0);
}

TEST(ZmqTransport, TimersFireInOrderAndNotBeforeTheirTime) {
  ReactorThread reactor;
  Inbox<int> fired;
  const auto start = std::chrono::steady_clock::now();
  reactor.Call([&] {
    Transport& t = reactor.transport();
    t.After(milliseconds(30), [&] { fired.Push(3); });
    t.After(milliseconds(10), [&] { fired.Push(1); });
    const TimerId cancelled = t.After(milliseconds(5), [&] { fired.Push(99); });
    t.After(milliseconds(20), [&] { fired.Push(2); });
    t.CancelTimer(cancelled);
  });
  EXPECT_EQ(fired.Pop(), 1);
  EXPECT_EQ(fired.Pop(), 2);
  EXPECT_EQ(fired.Pop(), 3);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
}

TEST(ZmqTransport, AHundredMebibytesInChunksArriveIntactAndTheirSourceIsReleased) {
  constexpr size_t kChunk = 1 << 20;
  constexpr int kChunks = 100;
  ReactorThread server;
  ReactorThread client;
  auto blob = std::make_shared<std::vector<uint8_t>>(kChunk * kChunks);
  std::mt19937_64 random(11);
  for (size_t i = 0; i < blob->size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(blob->data() + i, &word, 8);
  }
  const std::string endpoint = server.Call([&] {
    const auto socket =
        *server.transport().Listen({.endpoint = "tcp://127.0.0.1:*"}, [&server, blob](Incoming in) {
          for (int i = 0; i < kChunks; ++i) {
            const std::span<const uint8_t> bytes(blob->data() + i * kChunk, kChunk);
            EXPECT_TRUE(server.transport()
                            .Send(in.socket, in.peer,
                                  {.header = TextFrame(std::to_string(i)),
                                   .payload = Frame::Share(blob, bytes)})
                            .ok());
          }
        });
    return *server.transport().BoundEndpoint(socket);
  });
  EchoClient asker(client, endpoint);
  asker.SendWhenConnected({.header = TextFrame("all")});
  for (int i = 0; i < kChunks; ++i) {
    const auto chunk = asker.answers().Pop();
    ASSERT_TRUE(chunk);
    ASSERT_EQ(TextOf(chunk->header), std::to_string(i));
    ASSERT_EQ(Xxh3_128(chunk->payload.bytes()), Xxh3_128({blob->data() + i * kChunk, kChunk}));
  }
  std::weak_ptr<std::vector<uint8_t>> watch = blob;
  blob.reset();
  server.Stop();
  EXPECT_TRUE(Eventually([&] { return watch.use_count() <= 1; }));
}

TEST(ZmqTransport, APeersLargeMessagesWaitOnItsSide) {
  constexpr int kMessages = 60;
  TempDirectory directory;  // for a socket whose buffers hold less than one message
  ReactorThread reactor;
  std::latch blocked(1);
  std::atomic<int> received{0};
  const std::string endpoint = reactor.Call([&] {
    Transport& transport = reactor.transport();
    const auto socket = *transport.Listen({.endpoint = "ipc://" + (directory.path() / "s").string(),
                                           .max_message_bytes = 96 << 20,
                                           .unread_messages = 16},
                                          [&](const Incoming&) {
                                            blocked.wait();
                                            ++received;
                                          });
    return *transport.BoundEndpoint(socket);
  });
  RawDealer raw;
  const int sent = raw.ConnectAndFill(endpoint, std::string(1 << 20, 'x'), kMessages);
  blocked.count_down();
  // 16 that wait, one that is handled, and one or two on each side's way.
  EXPECT_LE(sent, 22);
  EXPECT_TRUE(Eventually([&] { return received == sent; }));
}

TEST(ZmqTransport, TimersAreNotHeldUpByManyMessagesThatTakeLong) {
  constexpr int kMessages = 20;
  FakeClock clock;
  const auto context = TransportContext::Create();
  ReactorThread server(ZmqTransportOptions{.context = context, .clock = &clock});
  ReactorThread sender(context);
  Inbox<int> handled;  // when the timer fired
  std::latch blocked(1);
  std::latch done(kMessages);
  int count = 0;
  server.Call([&] {
    Transport& transport = server.transport();
    EXPECT_TRUE(transport
                    .Listen({.endpoint = "inproc://busy"},
                            [&](const Incoming&) {
                              if (++count == 1) {
                                transport.After(milliseconds(1), [&] { handled.Push(count); });
                              }
                              clock.Advance(milliseconds(6));
                              done.count_down();
                            })
                    .ok());
  });
  server.transport().Post([&] { blocked.wait(); });
  EchoClient client(sender, "inproc://busy");
  for (int i = 0; i < kMessages; ++i) client.SendWhenConnected({.header = TextFrame("x")});
  blocked.count_down();
  done.wait();
  EXPECT_EQ(handled.Pop(), 1);
}

TEST(ZmqTransport, StopBeforeRunMakesRunReturn) {
  auto transport = std::move(ZmqTransport::Create()).value();
  transport->Stop();
  transport->Run();
}

TEST(ZmqTransport, PostsAfterStopAreDropped) {
  ReactorThread reactor;
  reactor.Stop();
  auto token = std::make_shared<int>(1);
  reactor.transport().Post([token] { FAIL(); });
  EXPECT_EQ(token.use_count(), 1);
}

TEST(ZmqTransport, ARestartedListenerIsReachedAgain) {
  ReactorThread client_reactor;
  auto first = std::make_unique<ReactorThread>();
  const std::string endpoint = EchoServer(*first, "tcp://127.0.0.1:*").endpoint;
  first.reset();
  EchoClient client(client_reactor, endpoint);
  ReactorThread second;
  EchoServer server(second, endpoint);
  EXPECT_EQ(client.Echo("back"), "back");
}

}  // namespace
}  // namespace promptcache
