// Transfers whose peers do not go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_conversation.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class IdleTransferTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PutBytes(memory_, stored_.key, stored_.bytes).ok()); }

  RawPeer& peer() { return talk_.peer(); }
  void Pass(seconds time) {
    talk_.Settle();
    talk_.network().Advance(time);
    talk_.Settle();
  }
  RequestId BeginPut() {
    const RequestId id = RequestId::Random();
    peer().Say(id, PutBlob{.key = blob_.key, .bytes = blob_.bytes.size()});
    EXPECT_TRUE(talk_.StepUntil([&] { return !peer().All<Credit>(id).empty(); }));
    return id;
  }
  uint64_t CountedIdle() {
    const RequestId id = RequestId::Random();
    peer().Say(id, StoreStatsQuery{});
    EXPECT_TRUE(talk_.StepUntil([&] { return !peer().All<StoreStats>(id).empty(); }));
    return peer().All<StoreStats>(id).at(0).idle_transfers;
  }
  void ExpectEndedAsIdle(const RequestId& id) {
    const auto done = peer().All<Done>(id);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].code, Code::kDeadlineExceeded);
    EXPECT_THAT(done[0].message, HasSubstr("20000 ms (store.transfer_idle_ms)"));
    EXPECT_FALSE(done[0].committed);
    EXPECT_EQ(store_.open(), 0);
  }

  const SampleBlob stored_ = MakeSampleBlob({.seed = 1});
  const SampleBlob blob_ = MakeSampleBlob({.seed = 2});
  MemoryBlobStore memory_;
  GatedStore store_{memory_};
  ServedConversation talk_{store_, nullptr, {.max_transfers = 1, .transfer_idle = seconds(20)}};
};

TEST_F(IdleTransferTest, PutThatStandsStillGivesUpItsKeyAndItsPlace) {
  const RequestId id = BeginPut();
  peer().Say(id, Chunk{}, std::span(blob_.bytes).first(100));
  Pass(seconds(19));
  EXPECT_TRUE(peer().All<Done>(id).empty());
  Pass(seconds(6));
  ExpectEndedAsIdle(id);
  EXPECT_EQ(CountedIdle(), 1u);
  const RequestId next = BeginPut();
  peer().Say(next, Chunk{}, blob_.bytes);
  peer().Say(next, PutCommit{});
  EXPECT_TRUE(DoneFor(talk_, next).committed);
}

TEST_F(IdleTransferTest, PutThatGoesOnNowAndThenIsLeftAlone) {
  const RequestId id = BeginPut();
  for (size_t at = 0; at < 500; at += 100) {
    peer().Say(id, Chunk{}, std::span(blob_.bytes).subspan(at, 100));
    Pass(seconds(15));
  }
  EXPECT_TRUE(peer().All<Done>(id).empty());
  EXPECT_EQ(CountedIdle(), 0u);
}

TEST_F(IdleTransferTest, TimeThatTheStoreTakesIsNotItsPeers) {
  const RequestId id = BeginPut();
  store_.append().Close();
  peer().Say(id, Chunk{}, blob_.bytes);
  ASSERT_TRUE(talk_.StepUntil([&] { return store_.append().Occupied(); }));
  talk_.network().Advance(seconds(60));
  store_.append().Open();
  talk_.Settle();
  store_.commit().Close();
  peer().Say(id, PutCommit{});
  ASSERT_TRUE(talk_.StepUntil([&] { return store_.commit().Occupied(); }));
  talk_.network().Advance(seconds(60));
  store_.commit().Open();
  EXPECT_TRUE(DoneFor(talk_, id).committed);
}

TEST_F(IdleTransferTest, FetchThatGivesNoCreditEnds) {
  const RequestId id = RequestId::Random();
  peer().Say(id, FetchBlob{.key = stored_.key, .credit = 100});
  Pass(seconds(15));
  peer().Say(id, Credit{100});
  Pass(seconds(15));
  EXPECT_TRUE(peer().All<Done>(id).empty());
  peer().Say(id, Credit{0});  // a word is no progress
  Pass(seconds(15));
  ExpectEndedAsIdle(id);
  EXPECT_EQ(peer().PayloadOf(id).size(), 200u);
  EXPECT_EQ(CountedIdle(), 1u);
}

}  // namespace
}  // namespace promptcache::testing
