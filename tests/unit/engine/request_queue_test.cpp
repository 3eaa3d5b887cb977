#include "worker/engine/request_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace promptcache {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SteadyTime kStart{std::chrono::hours(1)};

struct Runner {
  explicit Runner(EngineRequest of) : order(std::move(of)) {}
  const EngineRequest& request() const { return order; }
  size_t slots() const { return order.options.samples; }
  size_t missing_units() const { return missing; }
  bool done() const { return is_done; }
  Usage TakeUsage(FinishReason interrupted) {
    Usage usage;
    usage.finish = interrupted;
    return usage;
  }

  EngineRequest order;
  size_t missing = 0;
  bool is_done = false;
};

RequestId Id(uint8_t name) {
  RequestId id;
  id.bytes[0] = name;
  return id;
}

class RequestQueueTest : public ::testing::Test {
 protected:
  struct End {
    Code code;
    FinishReason finish;
    bool operator==(const End&) const = default;
  };

  EngineRequest Request(uint8_t name, uint32_t samples = 1) {
    EngineRequest request{.id = Id(name), .deadline = kStart + seconds(name)};
    request.options.samples = samples;
    request.events.on_final = [this, name](const Status& status, const Usage& usage) {
      ends_[name].push_back({status.code(), usage.finish});
    };
    return request;
  }
  Code Submit(EngineRequest request) {
    const Code code = queue_.Submit(std::move(request)).code();
    inbox_.Run();
    return code;
  }
  Runner& StartNext() { return queue_.Start(std::make_unique<Runner>(queue_.TakeNext())); }

  std::map<uint8_t, std::vector<End>> ends_;  // of requests, by name
  std::vector<RequestId> abandoned_;
  Inbox inbox_;
  RequestQueue<Runner> queue_{{.slots = 2, .queue_limit = 3}, inbox_, [this](const RequestId& id) {
                                abandoned_.push_back(id);
                              }};
};

TEST_F(RequestQueueTest, FirstThatWaitsIsNotOvertakenByASmallerOne) {
  (void)Submit(Request(1));
  StartNext();
  (void)Submit(Request(2, 2));
  (void)Submit(Request(3, 1));
  EXPECT_FALSE(queue_.HasNext());
  queue_.End(Id(1), {});
  ASSERT_TRUE(queue_.HasNext());
  EXPECT_EQ(StartNext().order.id, Id(2));
  EXPECT_FALSE(queue_.HasNext());
}

TEST_F(RequestQueueTest, WhatCannotEverRunIsNotTaken) {
  EXPECT_EQ(Submit(Request(1, 3)), Code::kResourceExhausted);
  EXPECT_EQ(queue_.queued(), 0u);
}

TEST_F(RequestQueueTest, IsFullUntilARequestRunsOrEnds) {
  for (uint8_t name = 1; name <= 3; ++name) EXPECT_EQ(Submit(Request(name)), Code::kOk);
  const Status full = queue_.Submit(Request(4));
  EXPECT_EQ(full.code(), Code::kBusy);
  EXPECT_THAT(full.message(), HasSubstr("3 requests wait"));
  EXPECT_EQ(queue_.queued(), 3u);
  StartNext();
  EXPECT_EQ(Submit(Request(4)), Code::kOk);
  queue_.End(Id(2), Cancelled("no"));
  EXPECT_EQ(Submit(Request(5)), Code::kOk);
  EXPECT_THAT(ends_, ElementsAre(testing::Key(2)));
}

TEST_F(RequestQueueTest, AnIdIsInUseUntilItsEnd) {
  const End refused{Code::kAlreadyExists, FinishReason::kError};
  (void)Submit(Request(1));
  (void)Submit(Request(1));
  EXPECT_THAT(ends_[1], ElementsAre(refused));
  StartNext();
  (void)Submit(Request(1));
  EXPECT_THAT(ends_[1], ElementsAre(refused, refused));
  queue_.End(Id(1), {});
  (void)Submit(Request(1));
  EXPECT_THAT(ends_[1], ElementsAre(refused, refused, End{Code::kOk, FinishReason::kNone}));
  EXPECT_EQ(queue_.waiting().size(), 1u);
}

TEST_F(RequestQueueTest, CancelEndsWhatWaitsAndWhatRuns) {
  (void)Submit(Request(1));
  (void)Submit(Request(2));
  StartNext().missing = 1;
  for (const uint8_t name : {1, 2, 3}) queue_.Cancel(Id(name));
  EXPECT_THAT(ends_, IsEmpty());
  inbox_.Run();
  const End cancelled{Code::kCancelled, FinishReason::kCancelled};
  EXPECT_THAT(ends_[1], ElementsAre(cancelled));
  EXPECT_THAT(ends_[2], ElementsAre(cancelled));
  EXPECT_THAT(abandoned_, ElementsAre(Id(1)));  // the other one waited for no units
  EXPECT_EQ(queue_.Find(Id(1)), nullptr);
}

TEST_F(RequestQueueTest, WhatIsLateEndsWhereverItIs) {
  EXPECT_EQ(queue_.NextDeadline(), SteadyTime::max());
  for (const uint8_t name : {3, 1, 2}) (void)Submit(Request(name));
  StartNext();
  EXPECT_EQ(queue_.NextDeadline(), kStart + seconds(1));
  queue_.EndLate(kStart + seconds(2));
  const End late{Code::kDeadlineExceeded, FinishReason::kError};
  EXPECT_THAT(ends_[1], ElementsAre(late));
  EXPECT_THAT(ends_[2], ElementsAre(late));
  EXPECT_EQ(queue_.NextDeadline(), kStart + seconds(3));
  queue_.EndLate(kStart + seconds(3));
  EXPECT_THAT(ends_[3], ElementsAre(late));
}

TEST_F(RequestQueueTest, DoneRequestsEndWhenTheyHaveAllTheirUnits) {
  (void)Submit(Request(1));
  Runner& runner = StartNext();
  queue_.EndDone();
  runner.is_done = true, runner.missing = 1;
  queue_.EndDone();
  EXPECT_THAT(ends_, IsEmpty());
  runner.missing = 0;
  queue_.EndDone();
  EXPECT_THAT(ends_[1], ElementsAre(End{Code::kOk, FinishReason::kNone}));
  EXPECT_EQ(queue_.finished(), 1u);
}

TEST_F(RequestQueueTest, AllEndOnce) {
  (void)Submit(Request(1));
  (void)Submit(Request(2));
  StartNext();
  for (int i = 0; i < 2; ++i) queue_.EndAll(Unavailable("the end"));
  EXPECT_THAT(ends_[1], ElementsAre(End{Code::kUnavailable, FinishReason::kError}));
  EXPECT_THAT(ends_[2], ElementsAre(End{Code::kUnavailable, FinishReason::kError}));
  EXPECT_EQ(queue_.queued(), 0u);
  EXPECT_EQ(queue_.finished(), 1u);  // the other one never ran
}

}  // namespace
}  // namespace promptcache
