// What `explain`, `trace`, `top` and `status` show of a cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tools/cli/cluster/ask_each.h"
#include "tools/cli/cluster/explain_report.h"
#include "tools/cli/cluster/top_frame.h"
#include "tools/cli/cluster/watch.h"
#include "tools/cli/render.h"

namespace promptcache {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

RequestReport Report() {
  RequestReport report{.client = "shop",
                       .schema = "support",
                       .version = "0123456789abcdef",
                       .planned_ms = 2,
                       .first_token_ms = 50,
                       .ended_ms = 100};
  report.attempts = {{.attempt = 0,
                      .worker = "w1",
                      .given_ms = 3,
                      .end = "worker 'w1' was lost",
                      .routes = {{.worker = "w1", .room = true, .work_s = 0.25, .total = 0.5},
                                 {.worker = "w2", .room = false, .total = -1}}},
                     {.attempt = 1, .worker = "w2", .given_ms = 20, .end = "ok"}};
  return report;
}

TEST(Explain, SaysWhoWasChosenAndWhyNotTheOthers) {
  const std::string text = RenderExplain(Report());
  EXPECT_THAT(text, HasSubstr("support@0123456789abcdef, from 'shop'"));
  EXPECT_THAT(text, HasSubstr("attempt 0: given to 'w1' after 3.00 ms, ended: worker 'w1' was"));
  EXPECT_THAT(text, ::testing::ContainsRegex("w1 .*0\\.2500.*0\\.5000 +chosen"));
  EXPECT_THAT(text, ::testing::ContainsRegex("w2 .* - +no free slot"));
  EXPECT_THAT(text, HasSubstr("it was found there"));
}

TEST(Explain, JsonHasNoNumberForAWorkerThePolicyDoesNotWant) {
  const auto json = ExplainToJson(Report());
  EXPECT_EQ(json["attempts"][0]["routes"][0]["total_s"], 0.5);
  EXPECT_TRUE(json["attempts"][0]["routes"][1]["total_s"].is_null());
  EXPECT_EQ(json["state"], "ok");
}

TEST(Explain, OfARunningRequestThereIsNoEnd) {
  RequestReport report = Report();
  report.first_token_ms = report.ended_ms = 0;
  EXPECT_THAT(RenderExplain(report), HasSubstr("first token after -, ended after -"));
  EXPECT_THAT(RenderRequests({report}), HasSubstr("running"));
}

TEST(Trace, TheTraceOfARequestIsShown) {
  RequestReport report = Report();
  report.trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_THAT(RenderTrace(report), HasSubstr(", trace " + report.trace));
  EXPECT_THAT(RenderExplain(report), HasSubstr(", trace " + report.trace));
  EXPECT_EQ(ExplainToJson(report)["trace"], report.trace);
}

TEST(Trace, DrawsEveryStageThatHasBegun) {
  EXPECT_THAT(RenderTrace(Report()), HasSubstr("answer"));
  RequestReport planned = Report();
  planned.attempts.clear();
  planned.first_token_ms = planned.ended_ms = 0;
  EXPECT_THAT(RenderTrace(planned), HasSubstr("wait for a worker"));
  EXPECT_THAT(RenderTrace(planned), Not(HasSubstr("answer")));
  EXPECT_THAT(RenderTrace({}), HasSubstr("parse and plan"));
}

ClusterSample Sample(int at, uint64_t accepted, const TierTokens& tokens) {
  ClusterSample sample{.at = SteadyTime(seconds(at))};
  sample.status.requests_accepted = accepted;
  sample.status.tokens = tokens;
  return sample;
}

TEST(Explain, EachCoordinatorIsAskedUntilOneKnows) {
  std::string asked;
  const auto ask = [&](const std::string& endpoint) -> Result<ExplainReply> {
    asked += endpoint;
    if (endpoint == "d") return Unavailable("d does not answer");
    if (endpoint == "k") return ExplainReply{.requests = {Report()}};
    if (endpoint == "x") return Internal("broken");
    return NotFound(endpoint + " knows nothing of it");
  };
  EXPECT_TRUE(AskEach({"a", "d", "k", "b"}, ask).ok());
  EXPECT_EQ(asked, "adk");
  const Status unknown = AskEach({"a", "d", "b"}, ask).status();
  EXPECT_EQ(unknown.code(), Code::kNotFound);
  EXPECT_EQ(unknown.message(), "b knows nothing of it; could not be asked: d");
  EXPECT_EQ(AskEach({"a", "b"}, ask).status().message(), "b knows nothing of it");
  EXPECT_EQ(AskEach({"d"}, ask).status().code(), Code::kUnavailable);
  EXPECT_EQ(AskEach({"x", "k"}, ask).status().code(), Code::kInternal);
}

TEST(Top, RatesAreOfTheLastInterval) {
  ClusterSample before = Sample(10, 100, {.device = 1'000});
  ClusterSample now = Sample(12, 130, {.device = 1'750, .encoded = 250});
  before.status.workers = {{.name = "w1", .pid = 7, .requests = 4, .generated_tokens = 100},
                           {.name = "w2", .pid = 8, .requests = 9, .generated_tokens = 100}};
  now.status.workers = {{.name = "w1", .pid = 7, .requests = 10, .generated_tokens = 300},
                        {.name = "w2", .pid = 9, .requests = 50, .backlog_seconds = 1}};
  const ClusterFrame frame = MakeClusterFrame(before, now);
  EXPECT_EQ(frame.requests_per_second, 15);
  EXPECT_THAT(RenderClusterFrame(frame), HasSubstr("device 75.0 %"));
  ASSERT_EQ(frame.workers.size(), 2u);
  EXPECT_EQ(frame.workers[0].worker.name, "w2") << "most work before it";
  EXPECT_EQ(frame.workers[0].requests_per_second, 0) << "another process";
  EXPECT_EQ(frame.workers[1].requests_per_second, 3);
  EXPECT_EQ(frame.workers[1].tokens_per_second, 100);
}

TEST(Top, LooksAtTwoCoordinatorsHaveNoRates) {
  ClusterSample before = Sample(10, 100, {.device = 1'000});
  ClusterSample now = Sample(12, 130, {.device = 1'750});
  now.status.coordinator = "another";
  EXPECT_EQ(MakeClusterFrame(before, now).requests_per_second, 0);
  EXPECT_EQ(MakeClusterFrame(before, now).tokens, TierTokens{});
}

// What top sees, look by look, and what it shows: "accepted/s ", "away " or how it ended.
std::string Watched(std::vector<Result<ClusterSample>> looks, Frames wanted = Frames::kAll) {
  std::string shown;
  size_t next = 0;
  const Status end = Watch({.look = [&] { return looks.at(next++); },
                            .wait = [] {},
                            .show =
                                [&](const ClusterFrame& frame) {
                                  const auto rate = static_cast<int>(frame.requests_per_second);
                                  shown += std::to_string(rate) + " ";
                                  return next < looks.size();
                                },
                            .unreachable = [&](const Status&) { shown += "away "; }},
                           wanted);
  return shown + (end.ok() ? "ok" : std::string(CodeName(end.code())));
}

TEST(Top, GoesOnWhenACoordinatorIsBack) {
  const Status gone = Unavailable("gone");
  EXPECT_EQ(Watched({Sample(1, 0, {}), Sample(2, 3, {}), gone, gone, Sample(5, 50, {}),
                     Sample(6, 55, {})}),
            "3 away 5 ok");
  EXPECT_EQ(
      Watched({Sample(1, 0, {}), gone, Sample(3, 0, {}), gone, Sample(5, 0, {}), Sample(6, 1, {})}),
      "away away 1 ok");
}

TEST(Top, EndsWhenItIsRefusedOrThereWasNobody) {
  EXPECT_EQ(Watched({Unavailable("nobody")}), "unavailable");
  EXPECT_EQ(Watched({Sample(1, 0, {}), FailedPrecondition("not an admin")}), "failed precondition");
  EXPECT_EQ(Watched({Sample(1, 0, {}), Sample(2, 7, {}), Sample(3, 8, {})}, Frames::kOne), "7 ok");
  EXPECT_EQ(Watched({Sample(1, 0, {}), Unavailable("gone")}, Frames::kOne), "unavailable");
}

TEST(Top, ACoordinatorThatBeganAnewHasNoRates) {
  const ClusterFrame frame =
      MakeClusterFrame(Sample(1, 100, {.device = 9}), Sample(2, 3, {.device = 1}));
  EXPECT_EQ(frame.requests_per_second, 0);
  EXPECT_THAT(RenderClusterFrame(frame), HasSubstr("device -"));
}

TEST(StatusTable, ATenantReadsWhatThereIsAndNoCountsThatWereNotTold) {
  StatusReply status{.model = "toy", .requests_active = 3};
  status.workers = {{.name = "w1", .slots = 8, .draining = true}};
  const std::string told = RenderStatus(status);
  EXPECT_THAT(told, HasSubstr("3 of your tenant active"));
  EXPECT_THAT(told, HasSubstr("w1"));
  EXPECT_THAT(told, HasSubstr("draining"));
  EXPECT_THAT(told, Not(HasSubstr("accepted")));
  status.pid = 7;
  EXPECT_THAT(RenderStatus(status), HasSubstr("3 active, 0 waiting, 0 accepted"));
}

TEST(StatusTable, NamesTheStateOfEachWorker) {
  EXPECT_EQ(StateName({.live = true}), "live");
  EXPECT_EQ(StateName({.live = false}), "starting");
  EXPECT_EQ(StateName({.active = 1, .draining = true}), "draining");
  EXPECT_EQ(StateName({.draining = true}), "drained");
}

}  // namespace
}  // namespace promptcache
