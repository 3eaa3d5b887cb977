#include "common/thread_team.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <latch>
#include <mutex>
#include <set>
#include <stdexcept>

namespace promptcache {
namespace {

using ::testing::Each;

// How often each number was given to the body.
std::vector<int> Visits(int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
  ParallelFor(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
  });
  return {visits.begin(), visits.end()};
}

TEST(ThreadTeam, EveryNumberComesOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadTeam team(threads);
    const ThreadTeam::Use use(&team);
    for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (const int64_t grain : {1, 3, 5000}) {
        EXPECT_THAT(Visits(count, grain), Each(1)) << threads << " " << count << " " << grain;
      }
    }
  }
}

TEST(ThreadTeam, ManyShortLoopsLoseNothing) {
  ThreadTeam team(4);
  const ThreadTeam::Use use(&team);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 20000; ++round) {
    int64_t plain = 0;  // a loop is over when ParallelFor returns: no atomic is needed across them
    std::array<int64_t, 16> parts{};
    ParallelFor(16, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) parts[static_cast<size_t>(i)] = i;
    });
    for (const int64_t part : parts) plain += part;
    sum += plain;
  }
  EXPECT_EQ(sum, 20000 * 120);
}

TEST(ThreadTeam, HelpersTakePart) {
  ThreadTeam team(2);
  const ThreadTeam::Use use(&team);
  std::latch both(2);
  ParallelFor(2, 1, [&](int64_t, int64_t) { both.arrive_and_wait(); });  // one thread would hang
  EXPECT_TRUE(both.try_wait());
}

TEST(ThreadTeam, PiecesAreAsLongAsTheGrain) {
  ThreadTeam team(4);
  const ThreadTeam::Use use(&team);
  std::mutex mutex;
  std::multiset<int64_t> lengths;
  ParallelFor(1000, 300, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    lengths.insert(end - begin);
  });
  EXPECT_EQ(lengths, (std::multiset<int64_t>{100, 300, 300, 300}));
}

TEST(ThreadTeam, WithoutATeamTheCallerDoesAll) {
  const auto caller = std::this_thread::get_id();
  int calls = 0;
  ParallelFor(1000, 1, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(end - begin, 1000);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
}

TEST(ThreadTeam, ALoopInsideALoopRunsInItsCaller) {
  ThreadTeam team(3);
  const ThreadTeam::Use use(&team);
  std::atomic<int> inner{0};
  ParallelFor(30, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto outer = std::this_thread::get_id();
      ParallelFor(10, 1, [&](int64_t from, int64_t to) {
        EXPECT_EQ(std::this_thread::get_id(), outer);
        inner += static_cast<int>(to - from);
      });
    }
  });
  EXPECT_EQ(inner, 300);
  EXPECT_THAT(Visits(100, 1), Each(1));
}

TEST(ThreadTeam, WhatABodyThrowsIsThrownOnceAndTheTeamGoesOn) {
  ThreadTeam team(3);
  const ThreadTeam::Use use(&team);
  for (int round = 0; round < 100; ++round) {
    EXPECT_THROW(ParallelFor(50, 1, [](int64_t, int64_t) { throw std::runtime_error("no"); }),
                 std::runtime_error);
    EXPECT_THAT(Visits(50, 1), Each(1));
  }
}

TEST(ThreadTeam, UseEndsWithItsScope) {
  ThreadTeam outer(2), inner(2);
  const ThreadTeam::Use use(&outer);
  { const ThreadTeam::Use other(&inner); }
  std::latch both(2);
  ParallelFor(2, 1, [&](int64_t, int64_t) { both.arrive_and_wait(); });
  EXPECT_TRUE(both.try_wait());
}

}  // namespace
}  // namespace promptcache
