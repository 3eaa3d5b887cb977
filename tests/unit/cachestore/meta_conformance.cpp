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
  EXPECT_EQ(meta().CompareAndSet("a", 0, "one").value(), 1u);
  EXPECT_EQ(meta().CompareAndSet("a", 1, "two").value(), 2u);
  EXPECT_EQ(meta().Get("a").value(), (MetaEntry{.key = "a", .value = "two", .revision = 2}));
  for (const uint64_t stale : {0, 1, 3}) {
    const Status status = meta().CompareAndSet("a", stale, "x").status();
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    EXPECT_NE(status.message().find("revision 2"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("expected " + std::to_string(stale)), std::string::npos);
  }
  EXPECT_EQ(meta().Get("a").value()->value, "two");
}

TEST_P(StoreConformance, MetaRemovesOnlyTheRevisionThatIsMeant) {
  ASSERT_TRUE(meta().CompareAndSet("a", 0, "one").ok());
  EXPECT_EQ(meta().CompareAndRemove("a", 2).code(), Code::kFailedPrecondition);
  EXPECT_EQ(meta().CompareAndRemove("b", 1).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(meta().CompareAndRemove("a", 1).ok());
  EXPECT_EQ(meta().Get("a").value(), std::nullopt);
  EXPECT_EQ(meta().CompareAndSet("a", 0, "again").value(), 1u);
}

TEST_P(StoreConformance, MetaListsByPrefixInKeyOrder) {
  for (const char* key : {"schema/b", "recipe/x", "schema/a", "schemb", "schema"}) {
    ASSERT_TRUE(meta().CompareAndSet(key, 0, key).ok());
  }
  const auto list = meta().List("schema/", kAnySize).value();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0], (MetaEntry{.key = "schema/a", .value = "schema/a", .revision = 1}));
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
  const MetaFence first{"owner", 1};
  EXPECT_EQ(meta().CompareAndSet("a", 0, "x", first).status().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(meta().CompareAndSet("owner", 0, "me").ok());
  EXPECT_EQ(meta().CompareAndSet("a", 0, "mine", first).value(), 1u);
  EXPECT_EQ(meta().CompareAndSet("a", 0, "twice", first).status().code(),
            Code::kFailedPrecondition);
  ASSERT_TRUE(meta().CompareAndSet("owner", 1, "you").ok());
  const Status late = meta().CompareAndSet("a", 1, "late", first).status();
  EXPECT_EQ(late.code(), Code::kFailedPrecondition);
  EXPECT_NE(late.message().find("'owner' is at revision 2, expected 1"), std::string::npos)
      << late.message();
  EXPECT_EQ(meta().CompareAndRemove("a", 1, first).code(), Code::kFailedPrecondition);
  EXPECT_EQ(meta().Get("a").value(), (MetaEntry{.key = "a", .value = "mine", .revision = 1}));
  EXPECT_TRUE(meta().CompareAndRemove("a", 1, {"owner", 2}).ok());
  // A record may fence itself; revision 0 stands for a record that must not be there.
  EXPECT_TRUE(meta().CompareAndRemove("owner", 2, {"owner", 2}).ok());
  EXPECT_EQ(meta().CompareAndSet("a", 0, "free", {"owner", 0}).value(), 1u);
}

TEST_P(StoreConformance, WriterThatLostItsFenceNeverWritesAgain) {
  for (int round = 0; round < 20; ++round) {
    const std::string owner = "owner" + std::to_string(round);
    const std::string progress = "progress" + std::to_string(round);
    ASSERT_TRUE(meta().CompareAndSet(owner, 0, "first").ok());
    std::atomic<bool> began = false;
    std::thread first([&] {
      for (uint64_t revision = 0; revision < 10'000; ++revision) {
        if (!meta().CompareAndSet(progress, revision, "x", {owner, 1}).ok()) break;
        began = true;
      }
    });
    while (!began) std::this_thread::yield();
    ASSERT_TRUE(meta().CompareAndSet(owner, 1, "second").ok());
    const uint64_t seen = meta().Get(progress).value()->revision;
    first.join();
    EXPECT_EQ(meta().Get(progress).value()->revision, seen);
  }
}

TEST_P(StoreConformance, MetaTakesAnyBytesUpToItsLimits) {
  const std::string key = std::string("k\0\xff", 3) + std::string(1021, 'x');
  const std::string value(3 << 20, '\0');
  EXPECT_EQ(meta().CompareAndSet(key, 0, value).value(), 1u);
  EXPECT_EQ(meta().Get(key).value()->value, value);
  EXPECT_EQ(meta().CompareAndSet("empty", 0, "").value(), 1u);
  EXPECT_EQ(meta().Get("empty").value()->value, "");
  EXPECT_EQ(meta().CompareAndSet(key + "y", 0, "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(meta().CompareAndSet("", 0, "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(meta().Get("").status().code(), Code::kInvalidArgument);
}

TEST_P(StoreConformance, OneOfManyMetaWritersWinsEachRevision) {
  std::atomic<int> wins = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint64_t revision = 0; revision < 8; ++revision) {
        if (meta().CompareAndSet("counter", revision, "x").ok()) ++wins;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(meta().Get("counter").value()->revision, static_cast<uint64_t>(wins));
  EXPECT_GE(wins, 8);
}

}  // namespace
}  // namespace promptcache::testing
