// What a request gets when something is wrong with it, or with the cluster: a clear error or a
// slower answer, from real processes.
#include <gmock/gmock.h>

#include <future>

#include "tests/integration/cluster_fixture.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kSchema[] = R"(<schema name="desk" whitespace="indent">
  <system>Answer in one sentence.</system>
  <module name="refunds">Money comes back within fourteen days of the return of the goods.</module>
  <module name="customer">The customer is <param name="name" length="3"/>.</module>
</schema>)";
constexpr char kPrompt[] =
    R"(<prompt schema="desk"><refunds/><user>When do I get my money?</user></prompt>)";

class Refusals : public ClusterTest {
 protected:
  void SetUp() override {
    StartCluster(1);
    if (IsSkipped() || HasFatalFailure()) return;
    const auto added = client().AddSchema({.file = "desk.xml", .document = kSchema});
    ASSERT_TRUE(added.ok()) << added.status().ToString();
  }

  void ExpectRefused(const std::string& prompt, Code code, const std::string& part,
                     uint32_t tokens = 4) {
    const Answer answer = Ask(prompt, tokens);
    EXPECT_EQ(answer.status.code(), code) << answer.status.ToString();
    EXPECT_THAT(answer.status.message(), HasSubstr(part));
    EXPECT_EQ(answer.text(), "");
  }
};

TEST_F(Refusals, NameTheMistakeAndTheServiceAnswersOn) {
  if (IsSkipped()) return;
  ExpectRefused("<prompt schema=\"desk\">\n <refunds></prompt>", Code::kInvalidArgument, ":2:");
  ExpectRefused("not a prompt", Code::kInvalidArgument, ":1:1: error:");
  ExpectRefused("<prompt schema=\"dask\">Hello</prompt>", Code::kNotFound, "dask");
  ExpectRefused("<prompt schema=\"desk\"><refund/>Hello</prompt>", Code::kInvalidArgument,
                "did you mean 'refunds'");
  ExpectRefused(
      "<prompt schema=\"desk\"><customer name=\"Anna Amalia Maria of the Northern Isles\"/>"
      "Hello</prompt>",
      Code::kInvalidArgument, "its slot has 3");
  ExpectRefused(kPrompt, Code::kInvalidArgument, "8192", 1'000'000);
  const auto bad =
      client().AddSchema({.file = "bad.xml", .document = "<schema name='b'>\n<x/></schema>"});
  EXPECT_EQ(bad.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(bad.status().message(), HasSubstr("bad.xml:2:"));

  const Answer answer = Ask(kPrompt, 8);
  EXPECT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_NE(answer.text(), "");
}

TEST_F(Refusals, StoreGoneMakesAnAnswerSlowerAndNotDifferent) {
  if (IsSkipped()) return;
  const Answer before = Ask(kPrompt, 16);
  ASSERT_TRUE(before.status.ok()) << before.status.ToString();
  KillProcess("store");  // nothing ticks, so it stays away

  const Answer known = Ask(kPrompt, 16);
  EXPECT_TRUE(known.status.ok()) << known.status.ToString();
  EXPECT_EQ(known.tokens(), before.tokens());
  // A module that the worker has not seen, while no store can be asked for it.
  const std::string other =
      R"(<prompt schema="desk"><customer name="Eva"/><user>Who am I?</user></prompt>)";
  const Answer unknown = Ask(other, 8);
  EXPECT_TRUE(unknown.status.ok()) << unknown.status.ToString();
  const auto refused =
      client().AddSchema({.file = "x.xml", .document = "<schema name='x'>a</schema>"});
  EXPECT_EQ(refused.status().code(), Code::kUnavailable) << refused.status().ToString();

  TickUntil("the store to come back", [&] {
    return client().AddSchema({.file = "x.xml", .document = "<schema name='x'>a</schema>"}).ok();
  });
  EXPECT_EQ(Ask(other, 8).tokens(), unknown.tokens());
}

TEST_F(Refusals, WorkerGoneInTheMiddleOfAnAnswerIsReplacedByOneThatGoesOn) {
  if (IsSkipped()) return;
  struct Submit request {
    .prompt = kPrompt
  };
  request.options.max_new_tokens = 200;
  std::promise<void> started;
  std::promise<Answer> ended;
  (void)client().SubmitAsync(
      request, {},
      [&, first = true](const Partial&) mutable {
        if (std::exchange(first, false)) started.set_value();
      },
      [&](Answer answer) { ended.set_value(std::move(answer)); });
  started.get_future().wait();
  KillProcess("worker-1");
  auto end = ended.get_future();
  TickUntil("the answer to end", [&] {
    return end.wait_for(std::chrono::milliseconds(0)) == std::future_status::ready;
  });
  const Answer answer = end.get();
  EXPECT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_EQ(answer.tokens(), Ask(kPrompt, 200).tokens());
  const auto explained = client().Explain(answer.request_id);
  ASSERT_TRUE(explained.ok()) << explained.status().ToString();
  ASSERT_EQ(explained->requests.at(0).attempts.size(), 2u);
  EXPECT_THAT(explained->requests[0].attempts[0].end, HasSubstr("worker-1"));
}

TEST_F(Refusals, WorkerGoneBeforeTheFirstTokenIsNotNoticed) {
  if (IsSkipped()) return;
  KillProcess("worker-1");
  std::promise<Answer> ended;
  struct Submit request {
    .prompt = kPrompt
  };
  request.options.max_new_tokens = 4;
  (void)client().SubmitAsync(request, {}, nullptr,
                             [&](Answer answer) { ended.set_value(std::move(answer)); });
  auto answer = ended.get_future();
  TickUntil("the answer", [&] {
    return answer.wait_for(std::chrono::milliseconds(20)) == std::future_status::ready;
  });
  EXPECT_TRUE(answer.get().status.ok());
}

TEST_F(Refusals, CoordinatorGoneIsSaidAndSchemasAreThereWhenItIsBack) {
  if (IsSkipped()) return;
  KillProcess("coordinator");
  const Answer lost = Ask(kPrompt, 4);
  EXPECT_EQ(lost.status.code(), Code::kUnavailable) << lost.status.ToString();
  TickUntil("the coordinator to answer", [&] { return Ask(kPrompt, 4).status.ok(); });
}

}  // namespace
}  // namespace promptcache::testing
