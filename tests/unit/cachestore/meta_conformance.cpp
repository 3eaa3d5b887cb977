// What every meta store must do.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/cachestore/store_conformance.h"

namespace promptcache::testing {
namespace {

constexpr uint64_t kAnySize = UINT64_MAX;

TEST_P(StoreConformance, MetaKeepsRevisionsAndRefusesStaleWrites) {
  EXPECT_EQ(meta().Get("a").value(), std::nullopt);
  const uint64_t first = meta().CompareAndSet("a", 0, "one").value();
  const uint64_t second = meta().CompareAndSet("a", first, "two").value();
  EXPECT_EQ(second, first + 1);
  EXPECT_EQ(meta().Get("a").value(), (MetaEntry{.key = "a", .value = "two", .revision = second}));
  for (const uint64_t stale : {uint64_t{0}, first, second + 1}) {
    const Status status = meta().CompareAndSet("a", stale, "x").status();
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    EXPECT_NE(status.message().find("revision " + std::to_string(second)), std::string::npos)
        << status.message();
    EXPECT_NE(status.message().find("expected " + std::to_string(stale)), std::string::npos);
  }
  EXPECT_EQ(meta().Get("a").value()->value, "two");
}

TEST_P(StoreConformance, MetaRemovesOnlyTheRevisionThatIsMeant) {
  const uint64_t revision = meta().CompareAndSet("a", 0, "one").value();
  EXPECT_EQ(meta().CompareAndRemove("a", revision + 1).code(), Code::kFailedPrecondition);
  EXPECT_EQ(meta().CompareAndRemove("b", revision).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(meta().CompareAndRemove("a", revision).ok());
  EXPECT_EQ(meta().Get("a").value(), std::nullopt);
}

TEST_P(StoreConformance, MetaRevisionsNeverComeAgain) {
  uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    uint64_t revision = meta().CompareAndSet("owner", 0, "x").value();
    EXPECT_GT(revision, last) << "of a record that was removed";
    for (int i = 0; i < 5; ++i) revision = meta().CompareAndSet("owner", revision, "x").value();
    EXPECT_EQ(meta().CompareAndSet("mine", 0, "x", {"owner", last}).status().code(),
              Code::kFailedPrecondition);
    last = revision;
    ASSERT_TRUE(meta().CompareAndRemove("owner", last).ok());
  }
}

TEST_P(StoreConformance, MetaListsByPrefixInKeyOrder) {
  for (const char* key : {"schema/b", "recipe/x", "schema/a", "schemb", "schema"}) {
    ASSERT_TRUE(meta().CompareAndSet(key, 0, key).ok());
  }
  const auto list = meta().List("schema/", kAnySize).value();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0], meta().Get("schema/a").value());
  EXPECT_EQ(list[0].value, "schema/a");
  EXPECT_EQ(list[1].key, "schema/b");
  EXPECT_EQ(meta().List("", kAnySize).value().size(), 5u);
  EXPECT_TRUE(meta().List("zzz", kAnySize).value().empty());
}

TEST_P(StoreConformance, MetaListOverItsLimitIsRefusedAtOnce) {
  for (const char* key : {"a/1", "a/2", "b/1"}) {
    ASSERT_TRUE(meta().CompareAndSet(key, 0, std::string(1000, 'x')).ok());
  }
  const uint64_t entry = 256 + 3 + 1000;
  EXPECT_EQ(meta().List("a/", 2 * entry).value().size(), 2u);
  const Status status = meta().List("a/", 2 * entry - 1).status();
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_NE(status.message().find("'a/'"), std::string::npos);
  EXPECT_EQ(meta().List("", 2 * entry).status().code(), Code::kResourceExhausted);
}

TEST_P(StoreConformance, MetaPagesFollowOneAnotherInKeyOrder) {
  const std::vector<std::string> keys = {"a", "job", "job/1", "job/2", "job0", "z"};
  for (const std::string& key : keys) ASSERT_TRUE(meta().CompareAndSet(key, 0, "x").ok());
  for (const uint32_t limit : {1u, 2u, 3u, 6u}) {
    std::vector<std::string> listed;
    MetaPage page{.more = true};
    while (page.more) {
      const std::string after = listed.empty() ? "" : listed.back();
      page = *meta().Page({.after = after, .limit = limit});
      ASSERT_LE(page.entries.size(), limit);
      for (const MetaEntry& entry : page.entries) listed.push_back(entry.key);
    }
    EXPECT_EQ(listed, keys) << limit;
  }
  const auto keys_of = [&](const std::string& prefix, const std::string& after) {
    std::string found;
    const MetaPage page = *meta().Page({prefix, after});
    for (const MetaEntry& entry : page.entries) found += entry.key + " ";
    return found;
  };
  EXPECT_EQ(keys_of("job", ""), "job job/1 job/2 job0 ");
  EXPECT_EQ(keys_of("job", "job/1"), "job/2 job0 ");
  EXPECT_EQ(keys_of("job/", "job/15"), "job/2 ") << "behind a key that is not there";
  EXPECT_EQ(keys_of("job/", "a"), "job/1 job/2 ") << "a key before the prefix";
  EXPECT_EQ(keys_of("job/", "job0"), "") << "a key behind all of the prefix";
}

TEST_P(StoreConformance, MetaPageHoldsAsManyBytesAsItMayAndSaysThatMoreFollow) {
  for (const char* key : {"a/1", "a/2", "a/3"}) {
    ASSERT_TRUE(meta().CompareAndSet(key, 0, std::string(1000, 'x')).ok());
  }
  const uint64_t entry = 256 + 3 + 1000;
  const MetaPage two = *meta().Page({.prefix = "a/", .limit_bytes = 3 * entry - 1});
  EXPECT_EQ(two.entries.size(), 2u);
  EXPECT_TRUE(two.more);
  const MetaPage all = *meta().Page({.prefix = "a/", .limit = 3, .limit_bytes = 3 * entry});
  EXPECT_EQ(all.entries.size(), 3u);
  EXPECT_FALSE(all.more);
  const Status none = meta().Page({.prefix = "a/", .limit_bytes = entry - 1}).status();
  EXPECT_EQ(none.code(), Code::kResourceExhausted);
  EXPECT_NE(none.message().find("'a/1'"), std::string::npos) << none.message();
}

TEST_P(StoreConformance, MetaIsWrittenOnlyWhileTheFenceStands) {
  EXPECT_EQ(meta().CompareAndSet("a", 0, "x", {"owner", 1}).status().code(),
            Code::kFailedPrecondition);
  const MetaFence first{"owner", meta().CompareAndSet("owner", 0, "me").value()};
  const uint64_t mine = meta().CompareAndSet("a", 0, "mine", first).value();
  EXPECT_EQ(meta().CompareAndSet("a", 0, "twice", first).status().code(),
            Code::kFailedPrecondition);
  const MetaFence second{"owner", meta().CompareAndSet("owner", first.revision, "you").value()};
  const Status late = meta().CompareAndSet("a", mine, "late", first).status();
  EXPECT_EQ(late.code(), Code::kFailedPrecondition);
  const std::string why = "'owner' is at revision " + std::to_string(second.revision) +
                          ", expected " + std::to_string(first.revision);
  EXPECT_NE(late.message().find(why), std::string::npos) << late.message();
  EXPECT_EQ(meta().CompareAndRemove("a", mine, first).code(), Code::kFailedPrecondition);
  EXPECT_EQ(meta().Get("a").value(), (MetaEntry{.key = "a", .value = "mine", .revision = mine}));
  EXPECT_TRUE(meta().CompareAndRemove("a", mine, second).ok());
  // A record may fence itself; revision 0 stands for a record that must not be there.
  EXPECT_TRUE(meta().CompareAndRemove("owner", second.revision, second).ok());
  EXPECT_TRUE(meta().CompareAndSet("a", 0, "free", {"owner", 0}).ok());
}

TEST_P(StoreConformance, WriterThatLostItsFenceNeverWritesAgain) {
  for (int round = 0; round < 20; ++round) {
    const std::string owner = "owner" + std::to_string(round);
    const std::string progress = "progress" + std::to_string(round);
    const uint64_t fence = meta().CompareAndSet(owner, 0, "first").value();
    std::atomic<bool> began = false;
    std::thread first([&] {
      uint64_t revision = 0;
      for (int i = 0; i < 10'000; ++i) {
        const auto written = meta().CompareAndSet(progress, revision, "x", {owner, fence});
        if (!written.ok()) break;
        revision = *written;
        began = true;
      }
    });
    while (!began) std::this_thread::yield();
    ASSERT_TRUE(meta().CompareAndSet(owner, fence, "second").ok());
    const uint64_t seen = meta().Get(progress).value()->revision;
    first.join();
    EXPECT_EQ(meta().Get(progress).value()->revision, seen);
  }
}

TEST_P(StoreConformance, MetaTakesAnyBytesUpToItsLimits) {
  const std::string key = std::string("k\0\xff", 3) + std::string(1021, 'x');
  const std::string value(3 << 20, '\0');
  EXPECT_TRUE(meta().CompareAndSet(key, 0, value).ok());
  EXPECT_EQ(meta().Get(key).value()->value, value);
  EXPECT_TRUE(meta().CompareAndSet("empty", 0, "").ok());
  EXPECT_EQ(meta().Get("empty").value()->value, "");
  EXPECT_EQ(meta().CompareAndSet(key + "y", 0, "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(meta().CompareAndSet("", 0, "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(meta().Get("").status().code(), Code::kInvalidArgument);
}

TEST_P(StoreConformance, OneOfManyMetaWritersWinsEachRevision) {
  const uint64_t first = meta().CompareAndSet("counter", 0, "x").value();
  std::atomic<int> wins = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint64_t revision = first; revision < first + 8; ++revision) {
        if (meta().CompareAndSet("counter", revision, "x").ok()) ++wins;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(meta().Get("counter").value()->revision, first + wins);
  EXPECT_GE(wins, 8);
}

}  // namespace
}  // namespace promptcache::testing
