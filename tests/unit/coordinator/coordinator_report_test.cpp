// What a coordinator measures, and when it is ready.
#include <gmock/gmock.h>

#include "common/metrics/exposition.h"
#include "tests/fakes/http_client.h"
#include "tests/unit/coordinator/coordinator_fixture.h"
#include "tests/unit/coordinator/session_events.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr char kPrompt[] = "<prompt schema=\"support\"><short/>hello</prompt>";

class ReportTest : public CoordinatorTest {
 protected:
  ProcessReport Report() const {
    ProcessReport report;
    coordinator_->Report(report);
    return report;
  }
  double Value(const std::string& name) const {
    const auto values = ValuesOf(ExpositionText(Report().metrics));
    const auto found = values.find("promptcache_" + name);
    return found == values.end() ? -1 : found->second;
  }
  std::string WhyNotReady() const { return Report().ready.message(); }
};

TEST_F(ReportTest, AnAnsweredRequestMovesItsCountersAndHistograms) {
  Start();
  const auto client = Client();
  Register(*client, kSupportSchema);
  const auto worker = Worker();
  const RequestId id = SendPrompt(*client, kPrompt);
  EXPECT_EQ(Value("requests_active"), 1);
  EXPECT_EQ(Value("routed_slots{worker=\"w1\"}"), 1);
  Pass(milliseconds(300));
  worker->Send(id, Partial{.seq = 0, .tokens = {7}, .text = "hi"});
  Pass(milliseconds(700));
  worker->Send(id, Final{.usage = {.worker = "w1",
                                   .generated_tokens = 1,
                                   .units = {{.source = Source::kDisk, .tokens = 5},
                                             {.source = Source::kDevice, .tokens = 3}}}});
  Pass();
  EXPECT_EQ(Value("requests_active"), 0);
  EXPECT_EQ(Value("requests_accepted_total"), 1);
  EXPECT_EQ(Value("requests_ended_total{code=\"ok\"}"), 1);
  EXPECT_EQ(Value("generated_tokens_total"), 1);
  EXPECT_EQ(Value("imported_tokens_total{tier=\"disk\"}"), 5);
  EXPECT_EQ(Value("imported_tokens_total{tier=\"device\"}"), 3);
  EXPECT_EQ(Value("time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(Value("time_to_first_token_seconds_bucket{le=\"0.25\"}"), 0);
  EXPECT_EQ(Value("time_to_first_token_seconds_bucket{le=\"0.5\"}"), 1);
  EXPECT_EQ(Value("request_duration_seconds_bucket{le=\"1\"}"), 0);
  EXPECT_EQ(Value("request_duration_seconds_bucket{le=\"2.5\"}"), 1);
  EXPECT_EQ(Value("dispatch_seconds_count"), 1);
  EXPECT_EQ(Value("schemas"), 1);
}

TEST_F(ReportTest, RefusedRequestsCountByTheirCode) {
  Start();
  const auto client = Client();
  Failure(*client, "<prompt schema=\"nobody\">hello</prompt>");
  client->Send(RequestId{}, SubmitOf(kPrompt));
  Pass();
  EXPECT_EQ(Value("requests_ended_total{code=\"not_found\"}"), 1);
  EXPECT_EQ(Value("requests_ended_total{code=\"invalid_argument\"}"), 1);
  EXPECT_EQ(Value("requests_ended_total{code=\"ok\"}"), 0);
  EXPECT_EQ(Value("requests_accepted_total"), 0);
}

TEST_F(ReportTest, RefusalsAtATenantsLimitCount) {
  limits_ = *TenantLimits::Parse({"acme requests=1"});
  Start();
  const auto acme = ClientOf("acme");
  Register(*acme, kSupportSchema);
  SendPrompt(*acme, kPrompt);
  EXPECT_EQ(Value("requests_over_limit_total"), 0);
  SendPrompt(*acme, kPrompt);
  EXPECT_EQ(Value("requests_over_limit_total"), 1);
}

TEST_F(ReportTest, BatchesCountWhileTheyRunAndTheirResultsForEver) {
  settings_.store_endpoint = FakeStore::kEndpoint;
  settings_.batch_requests = 1;
  Start();
  const auto client = Client();
  Register(*client, kSupportSchema);
  EXPECT_EQ(Value("batches"), 0);
  client->Send(IdOf(200), BatchAdd{{{.submit = SubmitOf("<prompt schema=\"nobody\">a</prompt>")},
                                    {.submit = SubmitOf(kPrompt)},
                                    {.submit = SubmitOf(kPrompt)}}});
  Pass(milliseconds(500));
  EXPECT_EQ(Value("batches"), 1);
  EXPECT_EQ(Value("batch_items{state=\"running\"}"), 1);
  EXPECT_EQ(Value("batch_items{state=\"waiting\"}"), 1);
  EXPECT_EQ(Value("batch_items_ended_total{code=\"not_found\"}"), 1);
  client->Send(IdOf(201), BatchRemove{IdOf(200)});
  Pass(milliseconds(500));
  EXPECT_EQ(Value("batches"), 0);
  EXPECT_EQ(Value("batch_items{state=\"running\"}"), 0);
  EXPECT_EQ(Value("batch_items_ended_total{code=\"not_found\"}"), 1);
}

TEST_F(ReportTest, WorkersCountByWhatTheyDo) {
  Start();
  const auto first = Worker("w1");
  const auto second = Worker("w2");
  EXPECT_EQ(Value("workers{state=\"open\"}"), 2);
  second->Send({}, Heartbeat{.draining = true});
  Pass();
  EXPECT_EQ(Value("workers{state=\"open\"}"), 1);
  EXPECT_EQ(Value("workers{state=\"draining\"}"), 1);
  EXPECT_EQ(Value("workers{state=\"starting\"}"), 0);
}

TEST_F(ReportTest, ReadyWithAWorkerThatTakesRequests) {
  Start();
  EXPECT_THAT(WhyNotReady(), HasSubstr("no worker takes requests: 0 are connected"));
  const auto worker = Worker();
  EXPECT_EQ(WhyNotReady(), "");
  worker->Send({}, Heartbeat{.draining = true});
  Pass();
  EXPECT_THAT(WhyNotReady(), HasSubstr("no worker takes requests: 1 are connected"));
  coordinator_->Shutdown();
  EXPECT_THAT(WhyNotReady(), HasSubstr("shutting down"));
}

TEST_F(ReportTest, NotReadyBeforeTheWarmSetIsThere) {
  settings_.warm = {"support@latest"};
  Start();
  const auto client = Client();
  Register(*client, kSupportSchema);
  const auto worker = Worker();
  EXPECT_THAT(WhyNotReady(), HasSubstr("still warming up"));
  EXPECT_EQ(Value("workers{state=\"starting\"}"), 1);
}

TEST_F(ReportTest, NotReadyBeforeSchemasAreLoaded) {
  settings_.store_endpoint = "inproc://nobody";
  Start();
  const auto worker = Worker();
  EXPECT_THAT(WhyNotReady(), HasSubstr("schemas are"));
}

}  // namespace
}  // namespace promptcache::testing
