#include "tools/precompute/run.h"

#include <gmock/gmock.h>

#include <functional>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/precompute/precompute_fixture.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Does something else before or in place of producing.
class HookedProducer : public FakeProducer {
 public:
  Result<ProducedUnit> Produce(const WorkUnit& unit, BlobStore& store) override {
    const Status status = hook ? hook(unit, store) : Status();
    if (!status.ok()) return status;
    return FakeProducer::Produce(unit, store);
  }

  std::function<Status(const WorkUnit&, BlobStore&)> hook;
};

class ProduceUnitsTest : public PrecomputeTest {
 protected:
  Result<PrecomputeOutcome> Run() { return ProduceUnits(store_, producer_, Missing(), nullptr); }
  std::vector<WorkUnit> Missing() {
    return MissingUnits(units_, StoredUnits(store_, units_).value());
  }

  const std::vector<WorkUnit> units_ = ListText(
      "<schema name=\"s\">r<module name=\"a\">b c d</module>"
      "<module name=\"e\">f g</module></schema>");
  MemoryBlobStore store_;
  HookedProducer producer_;
};

TEST_F(ProduceUnitsTest, EachIsCommittedBeforeTheNextIsBegun) {
  producer_.hook = [this](const WorkUnit&, BlobStore& store) {
    EXPECT_EQ(ListAll(store).value().size(), producer_.produced.size());
    return Status();
  };
  const auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_THAT(producer_.produced, ElementsAre("s", "s/a", "s/e"));
  EXPECT_EQ(outcome->encoded.units, 3U);
  EXPECT_EQ(outcome->encoded.tokens, TotalOf(units_).tokens);
  EXPECT_EQ(outcome->encoded.bytes, store_.Stats()->bytes);
  EXPECT_EQ(outcome->by_others, 0U);
}

TEST_F(ProduceUnitsTest, WhatIsStoredIsNotProducedAgain) {
  ASSERT_TRUE(Run().ok());
  producer_.produced.clear();
  EXPECT_THAT(Missing(), IsEmpty());
  ASSERT_TRUE(store_.Remove(units_[1].key).ok());
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(producer_.produced, ElementsAre("s/a"));
}

TEST_F(ProduceUnitsTest, WhatAnotherProcessStoresMeanwhileIsLeftOut) {
  producer_.hook = [this](const WorkUnit& unit, BlobStore& store) {
    if (unit.key != units_[0].key) return Status();
    FakeProducer other;
    return other.Produce(units_[1], store).status();
  };
  const auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_THAT(producer_.produced, ElementsAre("s", "s/e"));
  EXPECT_EQ(outcome->by_others, 1U);
}

TEST_F(ProduceUnitsTest, WhatIsBusyIsTakenUpAfterTheOthers) {
  int refused = 0;
  producer_.hook = [&](const WorkUnit& unit, BlobStore&) {
    return unit.key == units_[1].key && ++refused == 1 ? Busy("it is being stored") : Status();
  };
  const auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_THAT(producer_.produced, ElementsAre("s", "s/e", "s/a"));
  EXPECT_EQ(outcome->encoded.units, 3U);
}

TEST_F(ProduceUnitsTest, WhatAnotherWasStoringIsNotProducedOnceItIsThere) {
  producer_.hook = [this](const WorkUnit& unit, BlobStore& store) {
    FakeProducer other;
    if (unit.key == units_[2].key) return other.Produce(units_[1], store).status();
    return unit.key == units_[1].key ? Busy("it is being stored") : Status();
  };
  const auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_THAT(producer_.produced, ElementsAre("s", "s/e"));
  EXPECT_EQ(outcome->by_others, 1U);
}

TEST_F(ProduceUnitsTest, WithOnlyBusyUnitsLeftItEnds) {
  producer_.hook = [this](const WorkUnit& unit, BlobStore&) {
    return unit.key == units_[1].key ? Busy("it is being stored") : Status();
  };
  const Status status = Run().status();
  EXPECT_EQ(status.code(), Code::kBusy);
  EXPECT_THAT(status.message(), HasSubstr("1 units are being stored"));
  EXPECT_THAT(producer_.produced, ElementsAre("s", "s/e"));
}

TEST_F(ProduceUnitsTest, AnErrorNamesTheModuleAndKeepsWhatWasDone) {
  producer_.hook = [this](const WorkUnit& unit, BlobStore&) {
    return unit.key == units_[1].key ? ResourceExhausted("the store is full") : Status();
  };
  const auto outcome = Run();
  EXPECT_EQ(outcome.status().code(), Code::kResourceExhausted);
  EXPECT_EQ(outcome.status().message(), "s/a: the store is full");
  producer_.hook = nullptr;
  producer_.produced.clear();
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(producer_.produced, ElementsAre("s/a", "s/e"));
}

TEST_F(ProduceUnitsTest, WhatTheStoreDroppedAgainIsTold) {
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(CheckKept(store_, units_).ok());
  ASSERT_TRUE(store_.Remove(units_[1].key).ok());
  const Status status = CheckKept(store_, units_);
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("dropped 1 of 3 units"));
}

TEST_F(ProduceUnitsTest, UsersOfWhatIsStoredAreRecorded) {
  ASSERT_TRUE(Run().ok());
  std::vector<WorkUnit> others(units_.begin(), units_.end());
  for (WorkUnit& unit : others) unit.imports[0].reference.version = "fedcba9876543210";
  ASSERT_TRUE(RecordUsers(store_, others, {true, false, true}).ok());
  const std::vector<BlobInfo> blobs = ListAll(store_).value();
  for (const BlobInfo& blob : blobs) {
    EXPECT_EQ(blob.use.references.size(), blob.key == units_[1].key ? 1U : 2U);
  }
}

TEST_F(ProduceUnitsTest, ARunThatFindsAllStoredCountsNoImport) {
  ASSERT_TRUE(Run().ok());
  ASSERT_TRUE(RecordUsers(store_, units_, std::vector<bool>(units_.size(), true)).ok());
  const std::vector<BlobInfo> blobs = ListAll(store_).value();
  for (const BlobInfo& blob : blobs) EXPECT_EQ(blob.use.imports, 0U);
}

TEST_F(ProduceUnitsTest, ProgressRisesToTheTotal) {
  std::vector<uint64_t> done_units;
  const auto outcome =
      ProduceUnits(store_, producer_, units_,
                   [&](const PrecomputeProgress& done, const PrecomputeProgress& total) {
                     done_units.push_back(done.units);
                     EXPECT_EQ(total.bytes, TotalOf(units_).bytes);
                     if (done.units < total.units) return;
                     EXPECT_EQ(done.tokens, total.tokens);
                     EXPECT_EQ(done.bytes, total.bytes);
                   });
  ASSERT_TRUE(outcome.ok());
  EXPECT_THAT(done_units, ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace promptcache::testing
