#include "worker/engine/store_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/forwarding_store.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Remembers what it was told of.
class ToldStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Status RecordImports(std::span<const UnitImport> imports) override {
    told.insert(told.end(), imports.begin(), imports.end());
    return {};
  }
  std::vector<UnitImport> told;
};

KeptUnit UnitOf(uint8_t name) {
  KeptUnit unit;
  unit.key.bytes[0] = name;
  unit.bytes = 160;
  return unit;
}

Import By(const std::string& module) {
  return {.reference = {.schema = "s", .version = "0123456789abcdef", .module = module}};
}

class StoreWriterTest : public ::testing::Test {
 protected:
  StoreWriter& Start(BlobStore* store) { return writer_.emplace(store, 420, inbox_); }
  // The writer's thread waits until it goes.
  void Hold() {
    std::promise<void> holds;
    ASSERT_TRUE(writer_->Enqueue(
        [&holds, gate = gate_.get_future().share()] {
          holds.set_value();
          gate.wait();
          return Status();
        },
        1));
    holds.get_future().wait();
  }
  void Store(uint8_t name, const Status& answer = {}) {
    writer_->Store(UnitOf(name), imports_,
                   [this, name, answer](const std::vector<Import>& imports) {
                     stored_.push_back(name);
                     EXPECT_EQ(imports, imports_.all);
                     return answer;
                   });
  }
  void RunNext() { inbox_.WaitAndRun(SystemClock().Now() + std::chrono::hours(1)); }
  // Writes what waits.
  void Finish() { writer_.reset(); }

  const UnitImports imports_{.all = {By("s/a"), By("s/b")}, .uses = {By("s/a")}};
  MemoryBlobStore memory_;
  ToldStore store_{memory_};
  std::vector<uint8_t> stored_;  // written by the writer's thread until it has gone
  std::promise<void> gate_;
  Inbox inbox_;
  std::optional<StoreWriter> writer_;
};

TEST_F(StoreWriterTest, FinishesWhatWaitsBeforeItGoes) {
  StoreWriter& writer = Start(&store_);
  Hold();
  Store(1);
  writer.NoteImport(UnitOf(2).key, By("s/b"));
  gate_.set_value();
  Finish();
  EXPECT_THAT(stored_, ElementsAre(1));
  EXPECT_THAT(store_.told, ElementsAre(UnitImport{UnitOf(2).key, By("s/b")}));
}

TEST_F(StoreWriterTest, DroppedUnitIsNeitherStoredNorToldOf) {
  StoreWriter& writer = Start(&store_);
  Hold();
  Store(1);
  Store(1);
  writer.NoteImport(UnitOf(1).key, By("s/a"));
  EXPECT_TRUE(writer.Drop(UnitOf(1).key));
  EXPECT_FALSE(writer.Drop(UnitOf(2).key));
  gate_.set_value();
  Finish();
  EXPECT_THAT(stored_, IsEmpty());
  EXPECT_THAT(store_.told, IsEmpty());
}

TEST_F(StoreWriterTest, DroppedUnitThatIsEncodedAgainIsStored) {
  StoreWriter& writer = Start(&store_);
  Hold();
  Store(1);
  EXPECT_TRUE(writer.Drop(UnitOf(1).key));
  Store(1);
  gate_.set_value();
  Finish();
  EXPECT_THAT(stored_, ElementsAre(1));
}

TEST_F(StoreWriterTest, StoredUnitIsNotUnderWayAnyMore) {
  StoreWriter& writer = Start(&store_);
  Store(1);
  RunNext();
  EXPECT_FALSE(writer.Drop(UnitOf(1).key));
}

TEST_F(StoreWriterTest, UsesOfAUnitThatAnotherWorkerStoresAreToldLater) {
  StoreWriter& writer = Start(&store_);
  Store(1, Busy("another one stores it"));
  RunNext();
  EXPECT_EQ(writer.put_failures(), 0u);
  EXPECT_NE(writer.imports_due(), SteadyTime::max());
  Finish();
  EXPECT_THAT(store_.told, ElementsAre(UnitImport{UnitOf(1).key, By("s/a")}));
}

TEST_F(StoreWriterTest, WhatIsRefusedOrHasNoRoomIsAFailure) {
  StoreWriter& writer = Start(&store_);
  Store(1, Unavailable("gone"));
  RunNext();
  EXPECT_EQ(writer.put_failures(), 1u);
  Hold();
  Store(2);
  Store(3);
  Store(4);  // 480 bytes
  EXPECT_EQ(writer.put_failures(), 2u);
  gate_.set_value();
  Finish();
  EXPECT_THAT(stored_, ElementsAre(1, 2, 3));
}

TEST_F(StoreWriterTest, WithoutAStoreNothingIsWritten) {
  StoreWriter& writer = Start(nullptr);
  Store(1);
  writer.NoteImport(UnitOf(1).key, By("s/a"));
  EXPECT_FALSE(writer.Enqueue([] { return Status(); }, 1));
  EXPECT_EQ(writer.imports_due(), SteadyTime::max());
  Finish();
  EXPECT_THAT(stored_, IsEmpty());
}

}  // namespace
}  // namespace promptcache::testing
