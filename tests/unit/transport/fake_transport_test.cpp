#include "tests/fakes/fake_transport.h"

#include <gtest/gtest.h>

#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;

class FakeTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_socket_ =
        *server_->Listen({.endpoint = kEndpoint, .max_message_bytes = 100}, [this](Incoming in) {
          at_server_.push_back(TextOf(in.frames.header));
          peer_ = in.peer;
        });
    client_socket_ = *client_.Connect(
        {.endpoint = kEndpoint, .max_message_bytes = 1000, .high_water_messages = 3},
        [this](Incoming in) { at_client_.push_back(TextOf(in.frames.header)); });
  }
  Status Send(const std::string& text) {
    return client_.Send(client_socket_, 0, {.header = TextFrame(text)});
  }

  static constexpr char kEndpoint[] = "tcp://127.0.0.1:9";
  FakeNetwork network_;
  std::unique_ptr<FakeTransport> server_ = std::make_unique<FakeTransport>(network_, "server");
  FakeTransport client_{network_, "client"};
  SocketId server_socket_ = 0;
  SocketId client_socket_ = 0;
  PeerId peer_ = 0;
  std::vector<std::string> at_server_;
  std::vector<std::string> at_client_;
};

using Texts = std::vector<std::string>;

TEST_F(FakeTransportTest, DeliversInOrderAndOnlyWhenStepped) {
  ASSERT_TRUE(Send("a").ok());
  ASSERT_TRUE(Send("b").ok());
  EXPECT_EQ(at_server_, Texts{});
  EXPECT_TRUE(network_.Step());
  EXPECT_EQ(at_server_, Texts{"a"});
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_, (Texts{"a", "b"}));
  EXPECT_NE(peer_, 0u);
  ASSERT_TRUE(server_->Send(server_socket_, peer_, {.header = TextFrame("c")}).ok());
  network_.RunUntilIdle();
  EXPECT_EQ(at_client_, Texts{"c"});
}

TEST_F(FakeTransportTest, DropsAndDuplicatesAsTheFilterSays) {
  network_.SetFilter([](const FakeNetwork::Delivery& delivery) {
    EXPECT_EQ(delivery.from, "client");
    EXPECT_EQ(delivery.to, "server");
    const std::string text = TextOf(delivery.frames.header);
    return text == "lost"    ? FakeNetwork::Verdict::kDrop
           : text == "twice" ? FakeNetwork::Verdict::kDuplicate
                             : FakeNetwork::Verdict::kDeliver;
  });
  for (const char* text : {"lost", "twice", "once"}) ASSERT_TRUE(Send(text).ok());
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_, (Texts{"twice", "twice", "once"}));
}

TEST_F(FakeTransportTest, APartitionSwallowsMessagesSilently) {
  network_.Partition("server", "client");
  EXPECT_TRUE(Send("a").ok());
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_, Texts{});
  network_.Heal("client", "server");
  EXPECT_TRUE(Send("b").ok());
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_, Texts{"b"});
}

TEST_F(FakeTransportTest, ADeadProcessIsUnavailableAndItsSuccessorIsReached) {
  ASSERT_TRUE(Send("a").ok());
  server_ = nullptr;
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_, Texts{});
  EXPECT_EQ(Send("b").code(), Code::kUnavailable);
  server_ = std::make_unique<FakeTransport>(network_, "server");
  ASSERT_TRUE(
      server_
          ->Listen({.endpoint = kEndpoint},
                   [this](Incoming in) { at_server_.push_back("new " + TextOf(in.frames.header)); })
          .ok());
  EXPECT_TRUE(Send("c").ok());
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_, Texts{"new c"});
}

TEST_F(FakeTransportTest, AClosedClientIsUnavailableToTheServer) {
  ASSERT_TRUE(Send("a").ok());
  network_.RunUntilIdle();
  client_.Close(client_socket_);
  EXPECT_EQ(server_->Send(server_socket_, peer_, {.header = TextFrame("x")}).code(),
            Code::kUnavailable);
  EXPECT_EQ(Send("b").code(), Code::kUnavailable);
}

TEST_F(FakeTransportTest, AFullQueueIsBusyAndAFrameOverTheLimitCutsTheLink) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Send("x").ok());
  EXPECT_EQ(Send("x").code(), Code::kBusy);
  network_.RunUntilIdle();
  ASSERT_TRUE(Send(std::string(101, 'x')).ok());
  network_.RunUntilIdle();
  EXPECT_EQ(at_server_.size(), 3u);
  EXPECT_EQ(server_->Send(server_socket_, peer_, {.header = TextFrame("x")}).code(),
            Code::kUnavailable);
  EXPECT_EQ(Send(std::string(1001, 'x')).code(), Code::kResourceExhausted);
}

TEST_F(FakeTransportTest, TimersFireInOrderWhileTimeAdvances) {
  std::string log;
  client_.After(milliseconds(20), [&] { log += 'c'; });
  client_.After(milliseconds(10), [&] {
    log += 'a';
    server_->After(milliseconds(5), [&] { log += 'b'; });
  });
  const TimerId cancelled = client_.After(milliseconds(1), [&] { log += '!'; });
  client_.CancelTimer(cancelled);
  network_.Advance(milliseconds(9));
  EXPECT_EQ(log, "");
  network_.Advance(milliseconds(11));
  EXPECT_EQ(log, "abc");
}

TEST_F(FakeTransportTest, PostedFunctionsRunAndDieWithTheirTransport) {
  int runs = 0;
  client_.Post([&] { ++runs; });
  server_->Post([&] { runs += 100; });
  server_ = nullptr;
  network_.RunUntilIdle();
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace promptcache::testing
