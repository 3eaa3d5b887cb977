// The HTTP side, with a reactor that is a function call.
#include "common/metrics/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>

#include "tests/fakes/http_client.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;
using testing::HttpGet;
using testing::HttpResult;
using testing::HttpSend;
using testing::IdleConnection;
using ::testing::Not;
using testing::ValuesOf;

class MonitorTest : public ::testing::Test {
 protected:
  void Start(std::chrono::milliseconds patience = std::chrono::seconds(30)) {
    auto monitor = Monitor::Start({.endpoint = "127.0.0.1:0", .patience = patience}, Process());
    ASSERT_TRUE(monitor.ok()) << monitor.status().ToString();
    monitor_ = *std::move(monitor);
  }
  MonitoredProcess Process() {
    return {
        .post = [this](const std::function<void()>& run) { hangs_ ? dropped_.Push(true) : run(); },
        .on_reactor =
            [this](ProcessReport& report) {
              const std::string why(*why_.load());
              if (!why.empty()) report.ready = Unavailable(why);
            },
        .elsewhere =
            [](ProcessReport& report) {
              report.metrics
                  .emplace_back(MetricFamily{"promptcache_x", MetricKind::kGauge, "", "X."})
                  .Add(7);
            }};
  }
  HttpResult Get(const std::string& path) { return HttpGet(monitor_->endpoint(), path); }

  inline static const std::string kReady;
  std::atomic<const std::string*> why_{&kReady};
  std::atomic<bool> hangs_{false};
  testing::Inbox<bool> dropped_;  // while it hangs
  std::unique_ptr<Monitor> monitor_;
};

TEST_F(MonitorTest, ServesMetricsOfTheProcessAndItsOwn) {
  Start();
  const HttpResult result = Get("/metrics");
  EXPECT_EQ(result.status, 200);
  EXPECT_THAT(result.head, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  const auto values = ValuesOf(result.body);
  EXPECT_EQ(values.at("promptcache_x"), 7);
  EXPECT_GT(values.at("promptcache_resident_memory_bytes"), 1e6);
  EXPECT_GT(values.at("promptcache_open_files"), 3);
  EXPECT_GT(values.at("promptcache_start_time_seconds"), 1.6e9);
}

TEST_F(MonitorTest, AProcessThatIsNotReadySaysWhy) {
  Start();
  EXPECT_EQ(Get("/readyz").status, 200);
  const std::string why = "no worker";
  why_ = &why;
  const HttpResult result = Get("/readyz");
  EXPECT_EQ(result.status, 503);
  EXPECT_EQ(result.body, "no worker\n");
  EXPECT_EQ(Get("/livez").status, 200);
  EXPECT_EQ(Get("/metrics").status, 200);
}

TEST_F(MonitorTest, AReactorThatHangsIsNotLive) {
  Start(std::chrono::milliseconds(10));
  EXPECT_EQ(Get("/livez").status, 200);
  hangs_ = true;
  for (const char* path : {"/livez", "/readyz", "/metrics"}) {
    const HttpResult result = Get(path);
    EXPECT_EQ(result.status, 503) << path;
    EXPECT_THAT(result.body, HasSubstr("the reactor has done nothing")) << path;
  }
}

TEST_F(MonitorTest, HasNothingElse) {
  Start();
  for (const char* path : {"/", "/metrics/", "/livez/x", "/etc/passwd", "/../../etc/passwd",
                           "/%2e%2e/%2e%2e/etc/passwd", "/metricsx"}) {
    const HttpResult result = Get(path);
    EXPECT_THAT(result.status, ::testing::AnyOf(400, 404)) << path;
    EXPECT_THAT(result.body, Not(HasSubstr("root:"))) << path;
  }
  EXPECT_EQ(Get("/livez?x=1").status, 200);
}

TEST_F(MonitorTest, OnlyReads) {
  Start();
  const auto with = [&](const std::string& method, const std::string& rest = "\r\n") {
    return HttpSend(monitor_->endpoint(), method + " /livez HTTP/1.1\r\nHost: test\r\n" + rest);
  };
  EXPECT_EQ(with("POST", "Content-Length: 3\r\n\r\nabc").status, 405);
  EXPECT_EQ(with("PUT", "Content-Length: 3\r\n\r\nabc").status, 405);
  EXPECT_EQ(with("DELETE").status, 405);
  const HttpResult head = with("HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_THAT(head.head, HasSubstr("Content-Length: 5"));
  EXPECT_EQ(head.body, "");
}

TEST_F(MonitorTest, GarbageEndsItsConnectionAlone) {
  Start();
  const std::string long_header = "GET /livez HTTP/1.1\r\nX: " + std::string(100'000, 'x');
  for (const std::string& bytes :
       {std::string("\0\xff\xfe garbage\r\n\r\n", 15), std::string("GET\r\n\r\n"), long_header,
        std::string(100'000, '\n'), std::string("GET /livez HTTP/9.9\r\n\r\n"),
        std::string("POST /livez HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        std::string("GET http://elsewhere/livez HTTP/1.1\r\nHost: a\r\n\r\n")}) {
    EXPECT_NE(HttpSend(monitor_->endpoint(), bytes).status, 200);
    EXPECT_EQ(Get("/livez").status, 200);
  }
}

TEST_F(MonitorTest, WhoSaysNothingHoldsUpNobodyForLong) {
  Start();
  std::deque<IdleConnection> idle;
  for (int i = 0; i < 600; ++i) idle.emplace_back("tcp://" + monitor_->endpoint());
  EXPECT_EQ(Get("/livez").status, 200);
}

TEST_F(MonitorTest, ARequestThatIsNeverCompleteIsLeft) {
  Start();
  const HttpResult result = HttpSend(monitor_->endpoint(), "GET /livez HTTP/1.1\r\nX: ");
  EXPECT_EQ(result.status, 0);
}

TEST_F(MonitorTest, ItsEndAnswersWhoWaits) {
  Start();
  hangs_ = true;
  HttpResult result;
  std::jthread asking([&] { result = Get("/livez"); });
  EXPECT_TRUE(dropped_.Pop());
  monitor_ = nullptr;
  asking.join();
  EXPECT_EQ(result.status, 503);
  EXPECT_EQ(result.body, "the process is stopping\n");
}

TEST_F(MonitorTest, ListensWhereItIsToldAndNowhereElse) {
  const auto start = [&](const std::string& endpoint, bool beyond = false) {
    return Monitor::Start({.endpoint = endpoint, .allow_plaintext = beyond}, Process()).status();
  };
  for (const char* endpoint :
       {"", "9420", "127.0.0.1", "127.0.0.1:", ":9420", "127.0.0.1:x", "127.0.0.1:65536",
        "127.0.0.1:-1", "localhost:0", "tcp://127.0.0.1:0", "127.0.0.1:0,0.0.0.0:80", "::1:0",
        "127.0.0.1:0s"}) {
    EXPECT_EQ(start(endpoint).code(), Code::kInvalidArgument) << endpoint;
  }
  for (const char* endpoint : {"0.0.0.0:0", "10.1.2.3:0", "[::]:0"}) {
    EXPECT_THAT(start(endpoint).message(), HasSubstr("security.allow_plaintext")) << endpoint;
  }
  EXPECT_TRUE(start("0.0.0.0:0", true).ok());
  EXPECT_TRUE(start("127.5.5.5:0").ok());
  Start();
  const Status taken = start(monitor_->endpoint());
  EXPECT_EQ(taken.code(), Code::kUnavailable);
  EXPECT_THAT(taken.message(), HasSubstr(monitor_->endpoint()));
}

}  // namespace
}  // namespace promptcache
