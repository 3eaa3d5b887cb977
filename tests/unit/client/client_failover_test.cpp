// The client's side of the reactor with two coordinators, over a network in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "cluster/client/client_reactor.h"
#include "cluster/transport/peer_table.h"
#include "tests/fakes/fake_transport.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using SubmitMessage = struct Submit;

constexpr char kFirst[] = "tcp://127.0.0.1:7420";
constexpr char kSecond[] = "tcp://127.0.0.1:7430";

// A coordinator's process: keeps what comes, says what the test says. Its end is its death.
class Coordinator {
 public:
  Coordinator(FakeNetwork& network, const std::string& endpoint)
      : transport_(network, endpoint),
        table_(transport_, {.name = endpoint, .heartbeat = milliseconds(100), .lease = seconds(1)},
               {.on_message = [this](const PeerInfo& peer, Envelope envelope, const Frame&) {
                 peer_ = peer.id;
                 received.push_back(std::move(envelope));
               }}) {
    EXPECT_TRUE(table_.Listen({.endpoint = endpoint}).ok());
  }
  void Say(Message body) {
    const Status sent =
        table_.Send(peer_, {.request_id = received.back().request_id, .body = std::move(body)});
    EXPECT_TRUE(sent.ok()) << sent.ToString();
  }

  std::vector<Envelope> received;

 private:
  FakeTransport transport_;
  PeerTable table_;
  PeerId peer_ = 0;  // who spoke last
};

class ClientFailover : public ::testing::Test {
 protected:
  void Connect(std::vector<std::string> endpoints) {
    reactor_.emplace(transport_, network_.clock(),
                     ClientOptions{.endpoints = std::move(endpoints)});
    EXPECT_TRUE(reactor_->Start([this](const Status& status) { connected_ = status; }).ok());
    Wait(seconds(1));
  }
  void Submit(const SubmitOptions& options = {}) {
    reactor_->Submit(
        RequestId::Random(), {.prompt = "p"}, options,
        {.on_partial = [this](const Partial& partial) { shown_ += partial.text; },
         .on_final = [this](Answer answer) { answers_.push_back(std::move(answer)); }});
    network_.RunUntilIdle();
  }
  void Wait(milliseconds time) { network_.Advance(time); }
  static Partial Part(uint32_t seq, const std::string& text) {
    return {.seq = seq, .tokens = {TokenId(100 + seq)}, .text = text};
  }

  FakeNetwork network_;
  FakeTransport transport_{network_, "client"};
  std::optional<Coordinator> first_{std::in_place, network_, kFirst};
  std::optional<Coordinator> second_{std::in_place, network_, kSecond};
  std::optional<ClientReactor> reactor_;
  std::optional<Status> connected_;
  std::string shown_;
  std::vector<Answer> answers_;
};

TEST_F(ClientFailover, AnAnswerGoesOnAtTheNextCoordinatorAndEveryTokenIsShownOnce) {
  Connect({kFirst, kSecond});
  ASSERT_TRUE(connected_ && connected_->ok());
  Submit();
  first_->Say(Accepted{.schema = "s", .version = "v"});
  first_->Say(Part(0, "a"));
  first_->Say(Part(1, "b"));
  network_.RunUntilIdle();
  EXPECT_EQ(shown_, "ab");
  first_.reset();
  Wait(seconds(2));
  ASSERT_THAT(second_->received, SizeIs(1));
  const Envelope& again = second_->received[0];
  EXPECT_EQ(again.attempt, kAttemptsPerSend);
  const auto& submit = std::get<SubmitMessage>(again.body);
  EXPECT_THAT(submit.tried, ElementsAre(kFirst));
  EXPECT_EQ(submit.delivered, (Delivered{.parts = 2, .samples = {{100, 101}}}));
  second_->Say(Part(1, "b"));
  second_->Say(Part(2, "c"));
  second_->Say(Final{.usage = {.worker = "w", .generated_tokens = 3}});
  network_.RunUntilIdle();
  EXPECT_EQ(shown_, "abc");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_TRUE(answers_[0].status.ok()) << answers_[0].status.ToString();
  EXPECT_THAT(answers_[0].tokens(), ElementsAre(100, 101, 102));
}

TEST_F(ClientFailover, TheOnlyCoordinatorGetsItsRequestsBack) {
  Connect({kFirst});
  Submit();
  first_->Say(Part(0, "a"));
  network_.RunUntilIdle();
  first_.reset();
  Wait(seconds(2));
  first_.emplace(network_, kFirst);
  Wait(seconds(3));
  ASSERT_THAT(first_->received, SizeIs(1));
  EXPECT_EQ(std::get<SubmitMessage>(first_->received[0].body).delivered.parts, 1u);
  first_->Say(Part(1, "b"));
  first_->Say(Final{});
  network_.RunUntilIdle();
  EXPECT_EQ(answers_.at(0).text(), "ab");
}

TEST_F(ClientFailover, ACoordinatorThatCannotBeReachedIsLeftAndCallsToItEnd) {
  Connect({kFirst, kSecond});
  Submit();
  std::optional<Result<Message>> reply;
  reactor_->Call(RequestId::Random(), StatusQuery{},
                 [&](Result<Message> message) { reply = std::move(message); });
  network_.Partition("client", kFirst);
  Wait(seconds(3));
  EXPECT_THAT(second_->received, SizeIs(1));  // the call is not repeated
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status().code(), Code::kUnavailable);
}

TEST_F(ClientFailover, ALinkThatLosesPartsIsLeft) {
  Connect({kFirst, kSecond});
  Submit();
  first_->Say(Part(0, "a"));
  first_->Say(Part(2, "c"));
  Wait(seconds(1));
  EXPECT_EQ(shown_, "a");
  ASSERT_THAT(second_->received, SizeIs(1));
  second_->Say(Part(1, "b"));
  second_->Say(Final{});
  network_.RunUntilIdle();
  EXPECT_EQ(answers_.at(0).text(), "ab");
}

TEST_F(ClientFailover, TheOnlyCoordinatorIsGreetedAgainWhenItLosesParts) {
  Connect({kFirst});
  Submit();
  first_->Say(Part(1, "b"));
  Wait(seconds(1));
  ASSERT_THAT(first_->received, SizeIs(2));
  first_->Say(Part(0, "ab"));
  first_->Say(Final{});
  network_.RunUntilIdle();
  EXPECT_EQ(answers_.at(0).text(), "ab");
}

TEST_F(ClientFailover, WhereNobodyIsReachableARequestEndsAfterTheConnectTimeout) {
  Connect({kFirst, kSecond});
  Submit();
  first_.reset();
  second_.reset();
  Wait(milliseconds(4'900));
  EXPECT_THAT(answers_, IsEmpty());
  Wait(seconds(2));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status.code(), Code::kUnavailable);
  EXPECT_THAT(answers_[0].status.message(), HasSubstr("no coordinator was reachable for 5000 ms"));
}

TEST_F(ClientFailover, ARequestEndsWithinASecondOfItsDeadlineThoughNothingComes) {
  Connect({kFirst});
  Submit({.deadline = seconds(2)});
  Wait(seconds(2));
  EXPECT_THAT(answers_, IsEmpty());
  Wait(seconds(1));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status.code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(std::holds_alternative<Cancel>(first_->received.back().body));
}

}  // namespace
}  // namespace promptcache::testing
