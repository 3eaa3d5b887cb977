// How the public client finds, loses and finds again its coordinators.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/client/client.h"
#include "tests/unit/client/fake_coordinator.h"

namespace promptcache {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::AllOf;
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
  Answer SubmitAndWait(Client& client) {
    client.SubmitAsync({.prompt = "p"}, {}, nullptr,
                       [this](Answer answer) { answers_.Push(std::move(answer)); });
    return Wait();
  }
  Answer Wait() { return answers_.Pop().value_or(Answer{.status = Internal("no answer came")}); }
  // Submits until an answer comes from `coordinator`.
  bool Reaches(Client& client, FakeCoordinator& coordinator) {
    return Eventually([&] {
      Inbox<Answer> answers;
      client.SubmitAsync({.prompt = "p"}, {.deadline = milliseconds(1)}, nullptr,
                         [&](Answer answer) { answers.Push(std::move(answer)); });
      (void)answers.Pop();
      return coordinator.received().TryPop().has_value();
    });
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

TEST_F(ClientLink, ALostCoordinatorEndsWhatRuns) {
  auto coordinator = std::make_unique<FakeCoordinator>();
  auto client = *Connect({coordinator->endpoint()});
  client->SubmitAsync({.prompt = "p"}, {}, nullptr,
                      [this](Answer answer) { answers_.Push(std::move(answer)); });
  coordinator->Expect<SubmitMessage>();
  auto call = std::async(std::launch::async, [&] { return client->GetStatus().status(); });
  coordinator->Expect<StatusQuery>();
  coordinator = nullptr;
  const Answer answer = Wait();
  EXPECT_EQ(answer.status.code(), Code::kUnavailable);
  EXPECT_THAT(answer.status.message(), HasSubstr("the coordinator was lost"));
  EXPECT_EQ(call.get().code(), Code::kUnavailable);
  EXPECT_EQ(SubmitAndWait(*client).status.code(), Code::kUnavailable);
  EXPECT_EQ(client->GetStatus().status().code(), Code::kUnavailable);
}

TEST_F(ClientLink, ASilentCoordinatorIsTakenForLost) {
  FakeCoordinator coordinator("tcp://127.0.0.1:*", HelloAck{.heartbeat_ms = 10, .lease_ms = 30});
  auto client = *Connect({coordinator.endpoint()});
  coordinator.FallSilent();
  const Answer answer = SubmitAndWait(*client);
  EXPECT_EQ(answer.status.code(), Code::kUnavailable) << answer.status.ToString();
}

TEST_F(ClientLink, ARestartedCoordinatorIsFoundAgain) {
  auto first = std::make_unique<FakeCoordinator>(IpcEndpoint("a"));
  auto client = *Connect({IpcEndpoint("a")});
  first = nullptr;
  FakeCoordinator second(IpcEndpoint("a"));
  EXPECT_TRUE(Reaches(*client, second));
}

TEST_F(ClientLink, TheNextCoordinatorTakesOverAndTheFirstMayComeBack) {
  auto second = std::make_unique<FakeCoordinator>(IpcEndpoint("b"));
  auto client = *Client::Connect(
      {.endpoints = {IpcEndpoint("a"), IpcEndpoint("b")}, .connect_timeout = milliseconds(6'000)});
  EXPECT_TRUE(Reaches(*client, *second));
  second = nullptr;
  FakeCoordinator first(IpcEndpoint("a"));
  EXPECT_TRUE(Reaches(*client, first));
}

TEST_F(ClientLink, AGarbledAnswerEndsTheRequestAndTheClientGreetsAgain) {
  FakeCoordinator coordinator;
  auto client = *Connect({coordinator.endpoint()});
  client->SubmitAsync({.prompt = "p"}, {}, nullptr,
                      [this](Answer answer) { answers_.Push(std::move(answer)); });
  const RequestId id = coordinator.Expect<SubmitMessage>().first;
  std::vector<uint8_t> garbled = EncodeEnvelope({.request_id = id, .body = Final{}});
  garbled.resize(garbled.size() / 2);
  coordinator.SendBytes(std::move(garbled));
  const Answer answer = Wait();
  EXPECT_EQ(answer.status.code(), Code::kUnavailable);
  EXPECT_THAT(answer.status.message(), HasSubstr("damaged"));
  EXPECT_TRUE(Reaches(*client, coordinator));
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
