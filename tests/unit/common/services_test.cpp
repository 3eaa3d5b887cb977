#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "common/byte_queue.h"
#include "common/log.h"
#include "common/rng.h"
#include "tests/fakes/fake_clock.h"

namespace promptcache {
namespace {

TEST(Philox, MatchesThePublishedKnownAnswers) {
  using Counter = std::array<uint32_t, 4>;
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(UniformAt, IsAPureFunctionWithAMeanOfOneHalf) {
  double sum = 0;
  for (uint32_t step = 0; step < 10'000; ++step) {
    const double value = UniformAt(42, 1, step);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ASSERT_EQ(value, UniformAt(42, 1, step));
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
  EXPECT_NE(UniformAt(42, 1, 0), UniformAt(42, 2, 0));
  EXPECT_NE(UniformAt(42, 1, 0), UniformAt(43, 1, 0));
}

TEST(ByteQueue, RefusesPastItsLimitAndCountsIt) {
  ByteQueue<int> queue({.warn_bytes = 5, .max_bytes = 10});
  EXPECT_TRUE(queue.TryPush(1, 6).ok());
  EXPECT_EQ(queue.TryPush(2, 5).code(), Code::kBusy);
  EXPECT_TRUE(queue.TryPush(3, 4).ok());
  EXPECT_EQ(queue.stats().refused, 1u);
  EXPECT_EQ(queue.stats().warnings, 1u);
  EXPECT_EQ(queue.stats().bytes, 10u);
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.TryPop(), 3);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
}

TEST(ByteQueue, TakesOneItemLargerThanTheLimitWhenEmpty) {
  ByteQueue<int> queue({.warn_bytes = 5, .max_bytes = 10});
  EXPECT_TRUE(queue.TryPush(1, 100).ok());
  EXPECT_EQ(queue.TryPush(2, 1).code(), Code::kBusy);
}

TEST(ByteQueue, CloseDrainsWhatIsLeftThenEnds) {
  ByteQueue<int> queue({.warn_bytes = 5, .max_bytes = 10});
  ASSERT_TRUE(queue.TryPush(1, 1).ok());
  queue.Close();
  EXPECT_EQ(queue.TryPush(2, 1).code(), Code::kCancelled);
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(ByteQueue, HandsEveryItemToExactlyOneConsumer) {
  constexpr int kItems = 2000;
  ByteQueue<int> queue({.warn_bytes = 100, .max_bytes = 1'000'000});
  std::vector<std::vector<int>> taken(3);
  std::vector<std::jthread> threads;
  for (auto& mine : taken) {
    threads.emplace_back([&queue, &mine] {
      while (auto item = queue.Pop()) mine.push_back(*item);
    });
  }
  for (int i = 0; i < kItems; ++i) ASSERT_TRUE(queue.TryPush(int{i}, 1).ok());
  queue.Close();
  threads.clear();
  std::vector<int> seen(kItems);
  for (const auto& mine : taken) {
    for (int item : mine) ++seen[item];
  }
  EXPECT_EQ(seen, std::vector<int>(kItems, 1));
}

TEST(FakeClock, MovesOnlyWhenTold) {
  testing::FakeClock clock;
  const SteadyTime start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(std::chrono::milliseconds(1500));
  EXPECT_EQ(MillisecondsBetween(start, clock.Now()), 1500);
}

TEST(LogLine, TextQuotesWhatNeedsIt) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, "worker", LogLevel::kInfo, "unit loaded",
                          {{"tokens", 12}, {"path", "a b"}, {"tier", "disk"}}),
            "info worker: unit loaded tokens=12 path=\"a b\" tier=disk");
}

TEST(LogLine, JsonKeepsNumbersAndEscapesText) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, "worker", LogLevel::kError, "x",
                          {{"n", 1.5}, {"s", "a\"\n"}}),
            "\"level\":\"error\",\"component\":\"worker\",\"event\":\"x\",\"n\":1.500000,"
            "\"s\":\"a\\\"\\u000a\"");
}

TEST(LogLevel, UnknownNamesAreListedWithTheKnown) {
  EXPECT_TRUE(ParseLogLevel("debug").ok());
  EXPECT_NE(ParseLogLevel("loud").status().message().find("debug, info"), std::string::npos);
  EXPECT_FALSE(ParseLogFormat("xml").ok());
}

}  // namespace
}  // namespace promptcache
