// What a worker's log says of a coordinator that does not take it in.
#include "worker/service/coordinator_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "cluster/wire/codec.h"
#include "tests/fakes/fake_transport.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kEndpoint[] = "tcp://127.0.0.1:9";

// Says the same to every greeting.
struct AnsweringCoordinator {
  AnsweringCoordinator(FakeNetwork& network, const Message& answer)
      : transport(network, "coordinator") {
    socket = transport
                 .Listen({.endpoint = kEndpoint},
                         [this, answer](const Incoming& in) {
                           const Frame header = Frame::Own(EncodeEnvelope({.body = answer}));
                           (void)transport.Send(socket, in.peer, {.header = header}).ok();
                         })
                 .value();
  }

  FakeTransport transport;
  SocketId socket = 0;
};

class CoordinatorLinkTest : public ::testing::Test {
 protected:
  CoordinatorLinkTest() { EXPECT_TRUE(link_.Start().ok()); }

  // What is logged meanwhile.
  std::string LogOf(seconds time) {
    ::testing::internal::CaptureStderr();
    network_.Advance(time);
    return ::testing::internal::GetCapturedStderr();
  }
  static auto OneLineWith(const std::string& reason) {
    const auto lines = [](const std::string& log) {
      return std::count(log.begin(), log.end(), '\n');
    };
    return AllOf(::testing::ResultOf(lines, 1), HasSubstr("warning"), HasSubstr(kEndpoint),
                 HasSubstr(reason));
  }

  FakeNetwork network_;
  FakeTransport transport_{network_, "worker"};
  int failed_ = 0;
  CoordinatorLink link_{transport_,
                        kEndpoint,
                        {.role = PeerRole::kWorker, .name = "w"},
                        {.on_down = [this](const Status&) { ++failed_; }}};
};

TEST_F(CoordinatorLinkTest, AReasonIsAWarningOnceAndNotWithEveryAttempt) {
  EXPECT_THAT(LogOf(seconds(60)), OneLineWith("does not answer"));
  EXPECT_GT(failed_, 2);
  const AnsweringCoordinator refuses(network_, Reply{Code::kFailedPrecondition, "not on the list"});
  EXPECT_THAT(LogOf(seconds(60)), OneLineWith("not on the list"));
}

TEST_F(CoordinatorLinkTest, ThatWasUpIsWarnedOfAgain) {
  EXPECT_THAT(LogOf(seconds(60)), OneLineWith("does not answer"));
  std::optional<AnsweringCoordinator> coordinator(std::in_place, network_,
                                                  HelloAck{.heartbeat_ms = 500, .lease_ms = 3'000});
  EXPECT_THAT(LogOf(seconds(10)), IsEmpty());
  EXPECT_TRUE(link_.up());
  coordinator.reset();
  EXPECT_THAT(LogOf(seconds(60)), HasSubstr("does not answer"));
}

}  // namespace
}  // namespace promptcache::testing
