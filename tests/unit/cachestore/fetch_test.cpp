// Fetches as a peer of the store server sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_conversation.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kChunk = 256 << 10;

class FetchTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PutBytes(store_, blob_.key, blob_.bytes).ok()); }

  void Serve(StoreServerOptions options = {.chunk_bytes = kChunk}) {
    talk_.emplace(store_, nullptr, options);
  }
  RawPeer& peer() { return talk_->peer(); }
  uint64_t size() const { return blob_.bytes.size(); }
  Done Fetch(const FetchBlob& fetch) {
    peer().Say(id_, fetch);
    return DoneFor(*talk_, id_);
  }

  const SampleBlob blob_ = MakeLargeBlob(1, 3 << 20);
  const RequestId id_ = RequestId::Random();
  MemoryBlobStore store_;
  std::optional<ServedConversation> talk_;
};

TEST_F(FetchTest, WholeBlobArrivesInChunksThatTellTheirPlace) {
  Serve();
  const Done done = Fetch({.key = blob_.key, .credit = 2 * size()});
  EXPECT_EQ(done, (Done{.bytes = size()}));
  uint64_t at = 0;
  for (const Heard& heard : peer().heard) {
    const auto* chunk = std::get_if<Chunk>(&heard.body);
    if (chunk == nullptr) continue;
    EXPECT_EQ(*chunk, (Chunk{.offset = at, .blob_bytes = size()}));
    EXPECT_LE(heard.payload.size(), kChunk);
    at += heard.payload.size();
  }
  EXPECT_TRUE(peer().PayloadOf(id_) == blob_.bytes);
}

TEST_F(FetchTest, NoMoreIsReadThanTheReaderGaveCreditFor) {
  Serve();
  peer().Say(id_, FetchBlob{.key = blob_.key, .credit = 600'000});
  talk_->Settle();
  EXPECT_EQ(peer().PayloadOf(id_).size(), 600'000u);
  for (const uint64_t more : {1u, 100'000u, 262'145u}) {
    const uint64_t before = peer().PayloadOf(id_).size();
    peer().Say(id_, Credit{more});
    talk_->Settle();
    EXPECT_EQ(peer().PayloadOf(id_).size(), before + more);
  }
  EXPECT_TRUE(peer().All<Done>(id_).empty());
  peer().Say(id_, Credit{size()});
  EXPECT_EQ(DoneFor(*talk_, id_).bytes, size());
  EXPECT_TRUE(peer().PayloadOf(id_) == blob_.bytes);
}

TEST_F(FetchTest, CreditIsCutToTheServersLimit) {
  Serve({.chunk_bytes = kChunk, .max_credit_bytes = 500'000});
  peer().Say(id_, FetchBlob{.key = blob_.key, .credit = ~uint64_t{0}});
  talk_->Settle();
  EXPECT_EQ(peer().PayloadOf(id_).size(), 500'000u);
  peer().Say(id_, Credit{~uint64_t{0}});
  talk_->Settle();
  EXPECT_EQ(peer().PayloadOf(id_).size(), 1'000'000u);
}

TEST_F(FetchTest, SlowReaderHoldsBackOnlyItself) {
  Serve();
  const RequestId slow = RequestId::Random();
  peer().Say(slow, FetchBlob{.key = blob_.key, .credit = 1});
  EXPECT_EQ(Fetch({.key = blob_.key, .credit = size()}).code, Code::kOk);
  EXPECT_TRUE(peer().PayloadOf(id_) == blob_.bytes);
  EXPECT_EQ(peer().PayloadOf(slow).size(), 1u);
}

TEST_F(FetchTest, RangeIsServedExactly) {
  Serve();
  const Done done = Fetch({.key = blob_.key, .offset = 4095, .length = 300'000, .credit = size()});
  EXPECT_EQ(done, (Done{.bytes = 300'000}));
  const auto expected = std::span(blob_.bytes).subspan(4095, 300'000);
  const auto got = peer().PayloadOf(id_);
  EXPECT_TRUE(std::equal(got.begin(), got.end(), expected.begin(), expected.end()));
}

TEST_F(FetchTest, EmptyRangeAtTheEndIsDoneAtOnce) {
  Serve();
  EXPECT_EQ(Fetch({.key = blob_.key, .offset = size(), .credit = 1}), Done{});
}

TEST_F(FetchTest, RangeOutsideTheBlobIsRefused) {
  Serve();
  const std::pair<uint64_t, uint64_t> ranges[] = {
      {size() + 1, 0}, {size(), 1}, {1, size()}, {1, ~uint64_t{0}}, {~uint64_t{0}, 1}};
  for (const auto& [offset, length] : ranges) {
    const RequestId id = RequestId::Random();
    peer().Say(id,
               FetchBlob{.key = blob_.key, .offset = offset, .length = length, .credit = size()});
    EXPECT_EQ(DoneFor(*talk_, id).code, Code::kInvalidArgument) << offset << "+" << length;
    EXPECT_TRUE(peer().PayloadOf(id).empty());
  }
}

TEST_F(FetchTest, UnknownKeyIsNotFound) {
  Serve();
  EXPECT_EQ(Fetch({.credit = 1}).code, Code::kNotFound);
}

TEST_F(FetchTest, CancelledFetchSendsNothingMoreAndFreesItsPlace) {
  Serve({.chunk_bytes = kChunk, .max_transfers = 1});
  peer().Say(id_, FetchBlob{.key = blob_.key, .credit = 1});
  talk_->Settle();
  const RequestId second = RequestId::Random();
  peer().Say(second, FetchBlob{.key = blob_.key, .credit = 1});
  EXPECT_EQ(DoneFor(*talk_, second).code, Code::kBusy);
  peer().Say(id_, Cancel{});
  talk_->Settle();
  peer().Say(id_, Credit{size()});
  const RequestId third = RequestId::Random();
  peer().Say(third, FetchBlob{.key = blob_.key, .credit = size()});
  EXPECT_EQ(DoneFor(*talk_, third).code, Code::kOk);
  EXPECT_EQ(peer().PayloadOf(id_).size(), 1u);
}

TEST_F(FetchTest, PeerThatFallsSilentFreesItsPlace) {
  Serve({.chunk_bytes = kChunk, .max_transfers = 1});
  RawPeer other(talk_->network(), "other");
  ASSERT_TRUE(talk_->StepUntil([&] { return other.connection.up(); }));
  other.Say(id_, FetchBlob{.key = blob_.key, .credit = 1});
  ASSERT_TRUE(talk_->StepUntil([&] { return other.PayloadOf(id_).size() == 1; }));
  talk_->network().Partition("server", "other");
  talk_->network().Advance(std::chrono::seconds(10));
  talk_->Settle();
  EXPECT_EQ(Fetch({.key = blob_.key, .credit = size()}).code, Code::kOk);
}

TEST_F(FetchTest, ChunksThatNobodyTakesEndInBusyInsteadOfMemory) {
  Serve({.chunk_bytes = kChunk, .max_held_bytes = 1 << 20});
  const Done done = Fetch({.key = blob_.key, .credit = size()});  // what is heard is kept
  EXPECT_EQ(done.code, Code::kBusy);
  EXPECT_GT(peer().PayloadOf(id_).size(), 0u);
  EXPECT_LT(peer().PayloadOf(id_).size(), 1u << 20);
  peer().heard.clear();
  const RequestId again = RequestId::Random();
  peer().Say(again, FetchBlob{.key = blob_.key, .length = kChunk, .credit = kChunk});
  EXPECT_EQ(DoneFor(*talk_, again).code, Code::kOk);
}

TEST_F(FetchTest, ChunksThatOnePeerDoesNotTakeLeaveRoomForOthers) {
  Serve({.chunk_bytes = kChunk, .max_held_bytes = 1 << 20});
  ASSERT_EQ(Fetch({.key = blob_.key, .credit = size()}).code, Code::kBusy);
  RawPeer other(talk_->network(), "other");
  ASSERT_TRUE(talk_->StepUntil([&] { return other.connection.up(); }));
  other.Say(id_, FetchBlob{.key = blob_.key, .length = kChunk, .credit = size()});
  ASSERT_TRUE(talk_->StepUntil([&] { return !other.All<Done>(id_).empty(); }));
  EXPECT_EQ(other.All<Done>(id_)[0].code, Code::kOk) << other.All<Done>(id_)[0].message;
}

TEST_F(FetchTest, SecondFetchWithTheSameIdIsRefusedAndTheFirstGoesOn) {
  Serve();
  peer().Say(id_, FetchBlob{.key = blob_.key, .credit = 1});
  EXPECT_EQ(Fetch({.key = blob_.key, .credit = size()}).code, Code::kAlreadyExists);
  peer().Say(id_, Credit{size()});
  ASSERT_TRUE(talk_->StepUntil([&] { return peer().All<Done>(id_).size() == 2; }));
  EXPECT_EQ(peer().All<Done>(id_)[1], (Done{.bytes = size()}));
}

TEST_F(FetchTest, MessagesOfAPutEndAFetch) {
  for (const Message& message : {Message(Chunk{}), Message(PutCommit{})}) {
    Serve();
    peer().Say(id_, FetchBlob{.key = blob_.key, .credit = 1});
    peer().Say(id_, message, std::span(blob_.bytes).first(10));
    EXPECT_EQ(DoneFor(*talk_, id_).code, Code::kInvalidArgument);
    talk_.reset();
  }
}

TEST_F(FetchTest, BlobThatIsDamagedMidwayEndsInDataLoss) {
  GatedStore damaged(store_);
  damaged.FailReadsAfter(2, DataLoss("chunk 2 fails its checksum"));
  talk_.emplace(damaged, nullptr, StoreServerOptions{.chunk_bytes = kChunk});
  const Done done = Fetch({.key = blob_.key, .credit = size()});
  EXPECT_EQ(done.code, Code::kDataLoss);
  EXPECT_THAT(done.message, HasSubstr("chunk 2"));
  EXPECT_EQ(peer().PayloadOf(id_).size(), 2 * kChunk);
}

}  // namespace
}  // namespace promptcache::testing
