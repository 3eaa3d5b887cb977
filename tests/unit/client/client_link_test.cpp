// How the public client finds, loses and finds again its coordinators.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/client/client.h"
#include "tests/unit/client/fake_coordinator.h"
#include "tests/unit/transport/key_files.h"

namespace promptcache {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;  // NOLINT: the fakes of this project
using SubmitMessage = struct Submit;

// With a time-out that no test waits for: what fails, fails for a reason.
Result<std::unique_ptr<Client>> Connect(std::vector<std::string> endpoints) {
  return Client::Connect({.endpoints = std::move(endpoints), .connect_timeout = hours(1)});
}

class ClientLink : public ::testing::Test {
 protected:
  // Not bound to anything until a coordinator is started there.
  std::string IpcEndpoint(const std::string& name) const {
    return "ipc://" + (directory_.path() / name).string();
  }
  void Submit(Client& client) {
    client.SubmitAsync({.prompt = "p"}, {}, nullptr,
                       [this](Answer answer) { answers_.Push(std::move(answer)); });
  }
  Answer Wait() { return answers_.Pop().value_or(Answer{.status = Internal("no answer came")}); }
  // The request that came to this coordinator is answered with `text`.
  static void Complete(FakeCoordinator& coordinator, const std::string& text) {
    const RequestId id = coordinator.Expect<SubmitMessage>().first;
    coordinator.Send(id, Partial{.seq = 0, .text = text});
    coordinator.Send(id, Final{});
  }

  TempDirectory directory_;
  Inbox<Answer> answers_;
};

TEST_F(ClientLink, NobodyThereIsUnavailableAndNamesTheEndpoints) {
  const std::vector<std::string> endpoints = {IpcEndpoint("a"), IpcEndpoint("b")};
  const auto client =
      Client::Connect({.endpoints = endpoints, .connect_timeout = milliseconds(30)});
  EXPECT_EQ(client.status().code(), Code::kUnavailable);
  EXPECT_THAT(client.status().message(),
              AllOf(HasSubstr(endpoints[0]), HasSubstr(endpoints[1]), HasSubstr("promptcache up")));
}

TEST_F(ClientLink, WhyThereIsNoLinkIsTold) {
  const std::string endpoint = IpcEndpoint("a");
  const auto client =
      Client::Connect({.endpoints = {endpoint}, .connect_timeout = milliseconds(300)});
  EXPECT_THAT(client.status().message(), HasSubstr("'" + endpoint + "' is not connected"));
}

TEST_F(ClientLink, AListenerThatHasAnotherKeyIsTold) {
  const KeyFiles files;
  const LinkKey server_key = NewKey({.name = "coordinator", .role = PeerRole::kCoordinator});
  files.Allow({files.Make({.name = "alice", .role = PeerRole::kClient})});
  ReactorThread server(ZmqTransportOptions{.security = files.Listener(server_key)});
  const std::string endpoint = server.Call([&] {
    const SocketId socket =
        *server.transport().Listen({.endpoint = "tcp://127.0.0.1:*"}, [](const Incoming&) {});
    return *server.transport().BoundEndpoint(socket);
  });
  const LinkKey other = NewKey({.name = "other", .role = PeerRole::kCoordinator});
  const std::string wrong =
      endpoint.substr(0, endpoint.find('#') + 1) + ToZ85(other.secret.public_key());
  const auto client = Client::Connect({.endpoints = {wrong},
                                       .key_file = files.Path("alice.key"),
                                       .connect_timeout = milliseconds(1'000)});
  EXPECT_THAT(client.status().message(), HasSubstr("as one does that has no keys, or others"));
}

TEST_F(ClientLink, EndpointsThatCanNeverWorkAreRefusedBeforeAnyIsTried) {
  EXPECT_EQ(Connect({}).status().code(), Code::kInvalidArgument);
  const auto client = Connect({IpcEndpoint("a"), "tcp://10.0.0.1:7420"});
  EXPECT_EQ(client.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(client.status().message(), HasSubstr("only loopback"));
}

TEST_F(ClientLink, ARefusalIsToldAtOnce) {
  FakeCoordinator coordinator("tcp://127.0.0.1:*",
                              Reply{.code = Code::kFailedPrecondition,
                                    .message = "it speaks versions 1 to 1, here it is 2"});
  const auto client = Connect({coordinator.endpoint()});
  EXPECT_EQ(client.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(client.status().message(),
              AllOf(HasSubstr(coordinator.endpoint()), HasSubstr("here it is 2")));
}

TEST_F(ClientLink, AVersionThatWasNotOfferedIsRefused) {
  FakeCoordinator coordinator("tcp://127.0.0.1:*", HelloAck{.version = 2});
  const auto client = Connect({coordinator.endpoint()});
  EXPECT_EQ(client.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(client.status().message(), HasSubstr("chose version 2"));
}

TEST_F(ClientLink, SomethingElseThatListensIsNamed) {
  ReactorThread reactor;
  const std::string endpoint = reactor.Call([&] {
    const SocketId socket =
        *reactor.transport().Listen({.endpoint = "tcp://127.0.0.1:*"}, [&](const Incoming& in) {
          (void)reactor.transport().Send(in.socket, in.peer, {.header = TextFrame("what is this")});
        });
    return *reactor.transport().BoundEndpoint(socket);
  });
  const auto client = Connect({endpoint});
  EXPECT_EQ(client.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(client.status().message(), AllOf(HasSubstr(endpoint), HasSubstr("message")));
}

TEST_F(ClientLink, ACoordinatorThatStartsLaterIsFound) {
  auto client = std::async(std::launch::async, [&] { return Connect({IpcEndpoint("a")}); });
  FakeCoordinator coordinator(IpcEndpoint("a"));
  EXPECT_TRUE(client.get().ok());
}

TEST_F(ClientLink, ALostCoordinatorEndsCallsAndTheNextOneGetsTheRequests) {
  auto first = std::make_unique<FakeCoordinator>();
  FakeCoordinator second;
  auto client = *Connect({first->endpoint(), second.endpoint()});
  Submit(*client);
  first->Expect<SubmitMessage>();
  auto call = std::async(std::launch::async, [&] { return client->GetStatus().status(); });
  first->Expect<StatusQuery>();
  const std::string lost = first->endpoint();
  first = nullptr;
  EXPECT_EQ(call.get().code(), Code::kUnavailable);
  const auto [id, submit] = second.Expect<SubmitMessage>();
  EXPECT_THAT(submit.tried, ElementsAre(lost));
  second.Send(id, Final{});
  EXPECT_TRUE(Wait().status.ok());
}

TEST_F(ClientLink, ACallThatEndsTheLinkForGoodEndsWithTheReason) {
  FakeCoordinator coordinator;
  auto client = *Connect({coordinator.endpoint()});
  auto call =
      std::async(std::launch::async, [&] { return client->DrainWorker("w", DrainChange::kDrain); });
  coordinator.Expect<DrainWorker>();
  coordinator.Send({}, Reply{.code = Code::kFailedPrecondition, .message = "not in this role"});
  const Status status = call.get();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("not in this role"));
}

TEST_F(ClientLink, ASilentCoordinatorIsTakenForLost) {
  FakeCoordinator first("tcp://127.0.0.1:*", HelloAck{.heartbeat_ms = 10, .lease_ms = 30});
  FakeCoordinator second;
  auto client = *Connect({first.endpoint(), second.endpoint()});
  first.FallSilent();
  Submit(*client);
  Complete(second, "from the second");
  EXPECT_EQ(Wait().text(), "from the second");
}

TEST_F(ClientLink, ARestartedCoordinatorIsFoundAgainAndGetsWhatWasSubmittedMeanwhile) {
  auto first = std::make_unique<FakeCoordinator>(IpcEndpoint("a"));
  auto client = *Connect({IpcEndpoint("a")});
  first = nullptr;
  Submit(*client);
  FakeCoordinator second(IpcEndpoint("a"));
  Complete(second, "late");
  EXPECT_EQ(Wait().text(), "late");
}

TEST_F(ClientLink, TheNextCoordinatorTakesOverAndTheFirstMayComeBack) {
  auto second = std::make_unique<FakeCoordinator>(IpcEndpoint("b"));
  auto client = *Client::Connect(
      {.endpoints = {IpcEndpoint("a"), IpcEndpoint("b")}, .connect_timeout = milliseconds(6'000)});
  Submit(*client);
  second->Expect<SubmitMessage>();
  second = nullptr;
  FakeCoordinator first(IpcEndpoint("a"));
  Complete(first, "back");
  EXPECT_EQ(Wait().text(), "back");
}

TEST_F(ClientLink, AGarbledAnswerEndsTheLinkAndTheRequestGoesOnOverTheNext) {
  FakeCoordinator coordinator;
  auto client = *Connect({coordinator.endpoint()});
  Submit(*client);
  const RequestId id = coordinator.Expect<SubmitMessage>().first;
  std::vector<uint8_t> garbled = EncodeEnvelope({.request_id = id, .body = Final{}});
  garbled.resize(garbled.size() / 2);
  coordinator.SendBytes(std::move(garbled));
  Complete(coordinator, "whole");
  EXPECT_EQ(Wait().text(), "whole");
}

TEST_F(ClientLink, APromptOverTheCoordinatorsLimitIsAnErrorAndTheLinkStays) {
  FakeCoordinator coordinator(
      "tcp://127.0.0.1:*",
      HelloAck{.heartbeat_ms = 20, .lease_ms = 5'000, .max_frame_bytes = 10'000});
  auto client = *Connect({coordinator.endpoint()});
  const Answer answer = client->Submit({.prompt = std::string(10'001, 'x')});
  EXPECT_EQ(answer.status.code(), Code::kResourceExhausted);
  EXPECT_THAT(answer.status.message(), HasSubstr("limit of 10000"));
  client->SubmitAsync({.prompt = "short"}, {}, nullptr, nullptr);
  EXPECT_EQ(coordinator.Expect<SubmitMessage>().second.prompt, "short");
}

}  // namespace
}  // namespace promptcache
