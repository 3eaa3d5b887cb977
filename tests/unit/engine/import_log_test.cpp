#include "worker/engine/import_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const SteadyTime kStart{std::chrono::hours(1)};

UnitKey Key(uint16_t name) {
  UnitKey key;
  key.bytes[0] = static_cast<uint8_t>(name >> 8), key.bytes[1] = static_cast<uint8_t>(name);
  return key;
}

Import By(const std::string& module, uint64_t ttl_ms = 0) {
  return {.reference = {.schema = "s", .version = "0123456789abcdef", .module = module},
          .lifetime = {.ttl_ms = ttl_ms}};
}

TEST(ImportLog, EachReferenceOfAUnitIsToldOnceWithItsLastLifetime) {
  ImportLog log;
  log.Add(Key(1), By("s/a", 10), kStart);
  log.Add(Key(1), By("s/b"), kStart);
  log.Add(Key(2), By("s/a"), kStart);
  log.Add(Key(1), By("s/a", 20), kStart);
  EXPECT_THAT(log.Take(),
              UnorderedElementsAre(UnitImport{Key(1), By("s/a", 20)}, UnitImport{Key(1), By("s/b")},
                                   UnitImport{Key(2), By("s/a")}));
  EXPECT_THAT(log.Take(), IsEmpty());
}

TEST(ImportLog, FirstImportDecidesWhenToTell) {
  ImportLog log;
  EXPECT_EQ(log.due(), SteadyTime::max());
  log.Add(Key(1), By("s"), kStart);
  log.Add(Key(2), By("s"), kStart + milliseconds(900));
  EXPECT_EQ(log.due(), kStart + ImportLog::kTellEvery);
  (void)log.Take();
  EXPECT_EQ(log.due(), SteadyTime::max());
  log.Add(Key(1), By("s"), kStart + milliseconds(1100));
  EXPECT_EQ(log.due(), kStart + milliseconds(1100) + ImportLog::kTellEvery);
}

TEST(ImportLog, ImportsOfNobodyAreLeftOut) {
  ImportLog log;
  log.Add(Key(1), Import{.lifetime = {.pinned = true}}, kStart);
  EXPECT_EQ(log.due(), SteadyTime::max());
  EXPECT_THAT(log.Take(), IsEmpty());
}

TEST(ImportLog, RemembersSoManyOnly) {
  ImportLog log;
  for (size_t i = 0; i < ImportLog::kMost; ++i) {
    log.Add(Key(static_cast<uint16_t>(i / 2)), By(i % 2 == 0 ? "s/a" : "s/b"), kStart);
  }
  log.Add(Key(0), By("s/c"), kStart);
  EXPECT_EQ(log.TakeLeftOut(), 1u);
  EXPECT_EQ(log.TakeLeftOut(), 0u);
  EXPECT_EQ(log.Take().size(), ImportLog::kMost);
  log.Add(Key(0), By("s/c"), kStart);
  EXPECT_EQ(log.TakeLeftOut(), 0u);
}

TEST(ImportLog, UnitThatIsRemovedIsNotTold) {
  ImportLog log;
  log.Add(Key(1), By("s/a"), kStart);
  log.Add(Key(2), By("s/b"), kStart);
  log.Remove(Key(1));
  EXPECT_THAT(log.Take(), ElementsAre(UnitImport{Key(2), By("s/b")}));
  log.Add(Key(1), By("s/a"), kStart);
  log.Remove(Key(1));
  EXPECT_EQ(log.due(), SteadyTime::max());
}

TEST(AddImport, KeepsOneEntryForEachReference) {
  std::vector<Import> imports;
  AddImport(imports, By("s/a", 1));
  AddImport(imports, By("s/b", 2));
  AddImport(imports, By("s/a", 3));
  AddImport(imports, {});
  EXPECT_THAT(imports, ElementsAre(By("s/a", 3), By("s/b", 2)));
}

}  // namespace
}  // namespace promptcache
