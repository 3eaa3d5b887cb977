// The public client against a coordinator that the test plays, over loopback TCP.
#include "cluster/client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/unit/client/fake_coordinator.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;  // NOLINT: the fakes of this project
using SubmitMessage = struct Submit;

class ClientTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Client> Connect(const std::string& endpoint) {
    auto client = Client::Connect({.endpoints = {endpoint}, .connect_timeout = kPatience});
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return client.ok() ? *std::move(client) : nullptr;
  }
  // Sends; the final answer lands in answers_.
  RequestId Submit(const SubmitOptions& options = {}, PartialCallback on_partial = nullptr) {
    return client_->SubmitAsync({.prompt = "p"}, options, std::move(on_partial),
                                [this](Answer answer) { answers_.Push(std::move(answer)); });
  }
  Answer Wait() { return answers_.Pop().value_or(Answer{.status = Internal("no answer came")}); }
  // Returns when the client has handled everything that was sent to it before.
  void RoundTrip() {
    auto status = std::async(std::launch::async, [this] { return client_->GetStatus(); });
    coordinator_.Send(coordinator_.Expect<StatusQuery>().first, StatusReply{});
    EXPECT_TRUE(status.get().ok());
  }

  FakeCoordinator coordinator_;
  Inbox<Answer> answers_;
  std::unique_ptr<Client> client_ = Connect(coordinator_.endpoint());
};

TEST_F(ClientTest, SubmitStreamsPartialsAndOneFinal) {
  Inbox<Partial> partials;
  const RequestId id = Submit({}, [&](const Partial& partial) { partials.Push(partial); });
  const auto [sent_id, submit] = coordinator_.Expect<SubmitMessage>();
  EXPECT_EQ(sent_id, id);
  EXPECT_EQ(submit.prompt, "p");
  coordinator_.Send(id, Accepted{.schema = "support", .version = "v1", .prompt_tokens = 9});
  coordinator_.Send(id, Partial{.seq = 0, .tokens = {7, 8}, .text = "Hel"});
  EXPECT_EQ(partials.Pop()->text, "Hel");  // before anything else was sent
  coordinator_.Send(id, Partial{.seq = 1, .tokens = {9}, .text = "lo"});
  coordinator_.Send(id, Final{.usage = {.worker = "w", .cached_tokens = 5}});
  const Answer answer = Wait();
  EXPECT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_EQ(answer.request_id, id);
  EXPECT_EQ(answer.schema, "support");
  EXPECT_EQ(answer.version, "v1");
  EXPECT_EQ(answer.text(), "Hello");
  EXPECT_THAT(answer.tokens(), ElementsAre(7, 8, 9));
  EXPECT_EQ(answer.usage.cached_tokens, 5u);
  EXPECT_GT(answer.client_ttft_ms, 0);
  EXPECT_GE(answer.client_total_ms, answer.client_ttft_ms);
  EXPECT_EQ(partials.Pop()->seq, 1u);
}

TEST_F(ClientTest, BatchIsAddedUnderTheCallersIdAndAskedFor) {
  RequestId id;
  id.bytes.fill(7);
  auto added = std::async(std::launch::async, [&] {
    return client_->AddBatch(id, {.items = {{.name = "n", .submit = {.prompt = "p"}}}});
  });
  const auto [sent_id, add] = coordinator_.Expect<BatchAdd>();
  EXPECT_EQ(sent_id, id);
  EXPECT_EQ(add.items.at(0).name, "n");
  coordinator_.Send(id, BatchReply{.batches = {{.id = id, .items = 1}}});
  EXPECT_EQ(added.get().value().items, 1u);

  auto asked = std::async(std::launch::async,
                          [&] { return client_->QueryBatches({.batch = id, .first = 3}); });
  const auto [query_id, query] = coordinator_.Expect<BatchQuery>();
  EXPECT_EQ(query, (BatchQuery{.batch = id, .first = 3}));
  coordinator_.Send(query_id, BatchReply{.more = true});
  EXPECT_TRUE(asked.get().value().more);

  auto removed = std::async(std::launch::async, [&] { return client_->RemoveBatch(id); });
  const auto [remove_id, remove] = coordinator_.Expect<BatchRemove>();
  EXPECT_EQ(remove.batch, id);
  coordinator_.Send(remove_id, Reply{Code::kNotFound, "no such batch"});
  EXPECT_EQ(removed.get().code(), Code::kNotFound);
}

TEST_F(ClientTest, PartsGoToTheirSamplesAndSeqCountsThemAll) {
  client_->SubmitAsync({.prompt = "p", .options = {.samples = 3}}, {}, nullptr,
                       [this](Answer answer) { answers_.Push(std::move(answer)); });
  const RequestId id = coordinator_.Expect<SubmitMessage>().first;
  const TokenLogprobs seven = {{7, -0.5, "a"}, {}}, eight = {{8, -1.5, "b"}, {}};
  coordinator_.Send(id, Partial{.seq = 0, .tokens = {7}, .text = "a", .logprobs = {seven}});
  coordinator_.Send(id, Partial{.seq = 1, .tokens = {9}, .text = "c", .sample = 2});
  coordinator_.Send(id, Partial{.seq = 2, .tokens = {8}, .text = "b", .logprobs = {eight}});
  coordinator_.Send(id, Final{.usage = {.samples = {{FinishReason::kStop, 2}, {}, {}}}});
  const Answer answer = Wait();
  ASSERT_EQ(answer.samples.size(), 3u);
  EXPECT_EQ(answer.text(), "ab");
  EXPECT_THAT(answer.samples[0].logprobs, ElementsAre(seven, eight));
  EXPECT_EQ(answer.samples[1].text, "");
  EXPECT_EQ(answer.samples[2].text, "c");
  EXPECT_THAT(answer.samples[2].tokens, ElementsAre(9));
  EXPECT_EQ(answer.usage.samples[0].finish, FinishReason::kStop);
}

TEST_F(ClientTest, APartOfASampleThatWasNotAskedForEndsTheRequest) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Partial{.seq = 0, .text = "x", .sample = 1});
  const Answer answer = Wait();
  EXPECT_EQ(answer.status.code(), Code::kUnavailable);
  EXPECT_THAT(answer.status.message(), HasSubstr("sample 1"));
  EXPECT_EQ(coordinator_.Expect<Cancel>().first, id);
}

TEST_F(ClientTest, TheBlockingSubmitReturnsTheSameAnswer) {
  auto answer = std::async(std::launch::async, [&] { return client_->Submit({.prompt = "p"}); });
  const RequestId id = coordinator_.Expect<SubmitMessage>().first;
  coordinator_.Send(id, Partial{.seq = 0, .tokens = {1}, .text = "x"});
  coordinator_.Send(id, Final{});
  EXPECT_EQ(answer.get().text(), "x");
}

TEST_F(ClientTest, TheDeadlineTravelsWithTheRequest) {
  Submit({.deadline = milliseconds(12'345)});
  EXPECT_EQ(coordinator_.received().Pop()->timeout_ms, 12'345u);
  Submit({.deadline = milliseconds(-5)});
  EXPECT_EQ(coordinator_.received().Pop()->timeout_ms, 1u);
  Submit({.deadline = milliseconds::max()});
  EXPECT_EQ(coordinator_.received().Pop()->timeout_ms, 365ull * 24 * 3600 * 1000);
}

TEST_F(ClientTest, AFailedFinalKeepsItsStatusAndTheTextSoFar) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Partial{.seq = 0, .tokens = {1}, .text = "so f"});
  coordinator_.Send(id, Final{.code = Code::kUnavailable, .message = "the worker was lost"});
  const Answer answer = Wait();
  EXPECT_EQ(answer.status.code(), Code::kUnavailable);
  EXPECT_EQ(answer.status.message(), "the worker was lost");
  EXPECT_EQ(answer.text(), "so f");
}

TEST_F(ClientTest, ARefusedSubmitIsTheReplysStatus) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Reply{.code = Code::kNotFound, .message = "schema 'x' is not registered"});
  const Answer answer = Wait();
  EXPECT_EQ(answer.status.code(), Code::kNotFound);
  EXPECT_EQ(answer.status.message(), "schema 'x' is not registered");
}

TEST_F(ClientTest, AReplyWithoutAnErrorDoesNotAnswerASubmit) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Reply{});
  EXPECT_EQ(Wait().status.code(), Code::kUnavailable);
}

TEST_F(ClientTest, ARepeatedPartialCountsOnce) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  for (const uint32_t seq : {0u, 0u, 1u, 0u, 1u}) {
    coordinator_.Send(id, Partial{.seq = seq, .text = std::to_string(seq)});
  }
  coordinator_.Send(id, Final{});
  EXPECT_EQ(Wait().text(), "01");
}

TEST_F(ClientTest, AMissingPartialIsAskedForAgain) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Partial{.seq = 0, .text = "a"});
  coordinator_.Send(id, Partial{.seq = 2, .text = "c"});
  const auto [again, submit] = coordinator_.Expect<SubmitMessage>();
  EXPECT_EQ(again, id);
  EXPECT_EQ(submit.delivered.parts, 1u);
  coordinator_.Send(id, Partial{.seq = 1, .text = "b"});
  coordinator_.Send(id, Final{});
  EXPECT_EQ(Wait().text(), "ab");
}

TEST_F(ClientTest, WhatComesAfterTheFinalIsDropped) {
  const RequestId id = Submit();
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Final{});
  coordinator_.Send(id, Partial{.seq = 0, .text = "late"});
  coordinator_.Send(id, Final{.code = Code::kInternal, .message = "again"});
  RoundTrip();
  EXPECT_TRUE(Wait().status.ok());
  EXPECT_FALSE(answers_.TryPop());
}

TEST_F(ClientTest, AnAnswerToNobodyIsDropped) {
  coordinator_.Send(RequestId::Random(), Final{});
  coordinator_.Send(RequestId::Random(), StatusReply{});
  coordinator_.Send(RequestId::Random(), SubmitMessage{});
  RoundTrip();
}

TEST_F(ClientTest, CancelIsSentAndTheCoordinatorsFinalEndsTheRequest) {
  const RequestId id = Submit();
  client_->Cancel(id);
  EXPECT_EQ(coordinator_.Expect<Cancel>().first, id);
  EXPECT_FALSE(answers_.TryPop());
  coordinator_.Send(id, Final{.code = Code::kCancelled, .message = "by its client"});
  EXPECT_EQ(Wait().status.code(), Code::kCancelled);
}

TEST_F(ClientTest, CancellingAnUnknownRequestSendsNothing) {
  client_->Cancel(RequestId::Random());
  client_->Cancel(Submit());
  EXPECT_TRUE(std::holds_alternative<SubmitMessage>(coordinator_.received().Pop()->body));
}

TEST_F(ClientTest, NoAnswerBeforeTheDeadlineEndsTheRequestOnBothSides) {
  const RequestId id = Submit({.deadline = milliseconds(1)});
  const Answer answer = Wait();
  EXPECT_EQ(answer.status.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(coordinator_.Expect<Cancel>().first, id);
}

TEST_F(ClientTest, AFinalCallbackMaySubmitAgain) {
  Inbox<Answer> second;
  client_->SubmitAsync({.prompt = "1"}, {}, nullptr, [&](const Answer&) {
    client_->SubmitAsync({.prompt = "2"}, {}, nullptr,
                         [&](Answer answer) { second.Push(std::move(answer)); });
  });
  coordinator_.Send(coordinator_.Expect<SubmitMessage>().first, Final{});
  const auto [id, submit] = coordinator_.Expect<SubmitMessage>();
  EXPECT_EQ(submit.prompt, "2");
  coordinator_.Send(id, Final{});
  EXPECT_TRUE(second.Pop()->status.ok());
}

TEST_F(ClientTest, CallbacksMayBeLeftOut) {
  const RequestId id = client_->SubmitAsync({.prompt = "p"}, {}, nullptr, nullptr);
  coordinator_.Expect<SubmitMessage>();
  coordinator_.Send(id, Partial{.seq = 0, .text = "x"});
  coordinator_.Send(id, Final{});
  RoundTrip();
}

TEST_F(ClientTest, ClosingTheClientEndsItsRequestsOnce) {
  Submit();
  Submit();
  coordinator_.Expect<SubmitMessage>();
  client_ = nullptr;
  coordinator_.Expect<Cancel>();
  coordinator_.Expect<Cancel>();
  EXPECT_EQ(Wait().status.code(), Code::kCancelled);
  EXPECT_EQ(Wait().status.code(), Code::kCancelled);
  EXPECT_FALSE(answers_.TryPop());
}

TEST_F(ClientTest, RequestsOfManyThreadsGetTheirOwnAnswers) {
  constexpr int kThreads = 8;
  constexpr int kRequests = 25;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRequests; ++i) {
        const std::string prompt = std::to_string(t) + "/" + std::to_string(i);
        if (client_->Submit({.prompt = prompt}).text() != prompt) ++wrong;
      }
    });
  }
  for (int i = 0; i < kThreads * kRequests; ++i) {
    const auto [id, submit] = coordinator_.Expect<SubmitMessage>();
    coordinator_.Send(id, Partial{.seq = 0, .text = submit.prompt});
    coordinator_.Send(id, Final{});
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// Answers the client's next call with `body` and returns what the call returned.
template <typename Function>
auto CallAnsweredBy(FakeCoordinator& coordinator, const Message& body, Function function) {
  auto result = std::async(std::launch::async, std::move(function));
  coordinator.Send(coordinator.received().Pop()->request_id, body);
  return result.get();
}

TEST_F(ClientTest, AddSchemaReturnsTheRegisteredVersion) {
  const auto add = [&] { return client_->AddSchema({.file = "s.xml", .document = "<schema/>"}); };
  const auto added =
      CallAnsweredBy(coordinator_, SchemaReply{.schemas = {{.name = "s", .version = "v"}}}, add);
  ASSERT_TRUE(added.ok()) << added.status().ToString();
  EXPECT_EQ(added->version, "v");
  const auto refused = CallAnsweredBy(
      coordinator_, Reply{.code = Code::kInvalidArgument, .message = "s.xml:1:2: no name"}, add);
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.status().message(), "s.xml:1:2: no name");
  EXPECT_FALSE(CallAnsweredBy(coordinator_, SchemaReply{}, add).ok());
}

TEST_F(ClientTest, ListAndRemoveSchemas) {
  const auto listed =
      CallAnsweredBy(coordinator_, SchemaReply{.schemas = {{.name = "a"}, {.name = "b"}}},
                     [&] { return client_->ListSchemas(); });
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->size(), 2u);
  const auto remove = [&] { return client_->RemoveSchema("a"); };
  EXPECT_TRUE(CallAnsweredBy(coordinator_, Reply{}, remove).ok());
  EXPECT_EQ(CallAnsweredBy(coordinator_, Reply{.code = Code::kNotFound}, remove).code(),
            Code::kNotFound);
}

TEST_F(ClientTest, ExplainTellsOfOneRequestOrOfTheSlowest) {
  const RequestId id = RequestId::Random();
  auto explained = std::async(std::launch::async, [&] { return client_->Explain(id); });
  const auto [call, query] = coordinator_.Expect<ExplainQuery>();
  EXPECT_EQ(query.request, id);
  coordinator_.Send(call, ExplainReply{.requests = {{.id = id, .tenant = "acme"}}});
  EXPECT_EQ(explained.get().value().requests.at(0).tenant, "acme");

  auto slowest = std::async(std::launch::async, [&] { return client_->Explain(); });
  const auto [other, no_id] = coordinator_.Expect<ExplainQuery>();
  EXPECT_FALSE(no_id.request.has_value());
  coordinator_.Send(other, Reply{.code = Code::kNotFound, .message = "none"});
  EXPECT_EQ(slowest.get().status().code(), Code::kNotFound);
}

TEST_F(ClientTest, DrainWorkerNamesTheWorkerAndTheChange) {
  auto drained = std::async(std::launch::async,
                            [&] { return client_->DrainWorker("worker-2", DrainChange::kResume); });
  const auto [call, drain] = coordinator_.Expect<DrainWorker>();
  EXPECT_EQ(drain, (DrainWorker{"worker-2", DrainChange::kResume}));
  coordinator_.Send(call, Reply{});
  EXPECT_TRUE(drained.get().ok());
  const auto unknown = CallAnsweredBy(coordinator_, Reply{.code = Code::kNotFound}, [&] {
    return client_->DrainWorker("worker-9", DrainChange::kDrain);
  });
  EXPECT_EQ(unknown.code(), Code::kNotFound);
}

TEST_F(ClientTest, TheTraceTravelsWithTheRequestAndRetryAfterComesBack) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const RequestId id = Submit({.trace = trace});
  EXPECT_EQ(coordinator_.received().Pop()->trace, trace);
  coordinator_.Send(id, Final{.code = Code::kBusy, .retry_after_ms = 250});
  EXPECT_EQ(Wait().retry_after, milliseconds(250));
}

TEST_F(ClientTest, AnAnswerOfAnotherKindIsAnError) {
  const auto status =
      CallAnsweredBy(coordinator_, StatusReply{}, [&] { return client_->ListSchemas(); }).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("of another kind"));
}

}  // namespace
}  // namespace promptcache
