// Puts as a peer of the store server sees them, into memory and onto the disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cachestore/local_stores.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_conversation.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kWindow = 4 << 20;

class PutTest : public ::testing::TestWithParam<Medium> {
 protected:
  void Serve(StoreServerOptions options = {.put_window_bytes = kWindow}) {
    talk_.emplace(store_, nullptr, options);
  }
  RawPeer& peer() { return talk_->peer(); }
  std::span<const uint8_t> bytes() const { return blob_.bytes; }
  uint64_t size() const { return blob_.bytes.size(); }

  // A put that waits for its first chunk.
  void Begin(const RequestId& id) {
    peer().Say(id, PutBlob{.key = blob_.key, .bytes = size()});
    ASSERT_TRUE(talk_->StepUntil([&] { return !peer().All<Credit>(id).empty(); }));
  }
  // The whole blob in pieces, and the commit; all at once.
  void SayAll(const RequestId& id, uint64_t piece = 1 << 20) {
    for (uint64_t at = 0; at < size(); at += piece) {
      peer().Say(id, Chunk{}, bytes().subspan(at, std::min(piece, size() - at)));
    }
    peer().Say(id, PutCommit{});
  }
  bool IsStored() { return store_.Contains({&blob_.key, 1}).value()[0]; }
  // A put from beginning to end still works.
  void ExpectPutWorks() {
    const RequestId id = RequestId::Random();
    Begin(id);
    SayAll(id);
    EXPECT_EQ(DoneFor(*talk_, id), (Done{.bytes = size(), .committed = true}));
    EXPECT_TRUE(GetBytes(store_, blob_.key).value() == blob_.bytes);
  }

  const SampleBlob blob_ = MakeLargeBlob(1, 3 << 20);
  const RequestId id_ = RequestId::Random();
  const std::unique_ptr<OpenStore> local_ = OpenLocal(GetParam(), 64 << 20);
  GatedStore store_{local_->blobs()};
  std::optional<ServedConversation> talk_;
};

INSTANTIATE_TEST_SUITE_P(Media, PutTest, ::testing::Values(Medium::kMemory, Medium::kDisk),
                         [](const auto& medium) {
                           return medium.param == Medium::kDisk ? "Disk" : "Memory";
                         });

TEST_P(PutTest, CommittedIsSaidOnceTheStoreHasCommitted) {
  Serve();
  store_.commit().Close();
  Begin(id_);
  SayAll(id_);
  ASSERT_TRUE(talk_->StepUntil([&] { return store_.commit().Occupied(); }));
  ASSERT_TRUE(talk_->StepUntil([&] { return peer().All<Credit>(id_).size() == 5; }));
  EXPECT_TRUE(peer().All<Done>(id_).empty());
  EXPECT_TRUE(ListAll(store_).value().empty());
  store_.commit().Open();
  EXPECT_EQ(DoneFor(*talk_, id_), (Done{.bytes = size(), .committed = true}));
  EXPECT_TRUE(GetBytes(store_, blob_.key).value() == blob_.bytes);
}

TEST_P(PutTest, FailedCommitIsNotCalledCommitted) {
  Serve();
  store_.FailCommits(ResourceExhausted("the disk is full"));
  Begin(id_);
  SayAll(id_);
  const Done done = DoneFor(*talk_, id_);
  EXPECT_EQ(done.code, Code::kResourceExhausted);
  EXPECT_FALSE(done.committed);
  EXPECT_FALSE(IsStored());
}

TEST_P(PutTest, CreditGoesBackAsBytesReachTheStore) {
  Serve({.put_window_bytes = 1 << 20});
  Begin(id_);
  EXPECT_EQ(peer().All<Credit>(id_), (std::vector<Credit>{{1 << 20}}));
  store_.append().Close();
  peer().Say(id_, Chunk{}, bytes().first(600'000));
  peer().Say(id_, Chunk{}, bytes().subspan(600'000, 400'000));
  ASSERT_TRUE(talk_->StepUntil([&] { return store_.append().Occupied(); }));
  EXPECT_EQ(peer().All<Credit>(id_).size(), 1u);
  store_.append().Open();
  talk_->Settle();
  EXPECT_EQ(peer().All<Credit>(id_), (std::vector<Credit>{{1 << 20}, {600'000}, {400'000}}));
}

TEST_P(PutTest, BrokenOffPutLeavesNothingAndFreesItsPlace) {
  Serve({.put_window_bytes = kWindow, .max_transfers = 1});
  Begin(id_);
  peer().Say(id_, Chunk{}, bytes().first(2 << 20));
  talk_->Settle();
  EXPECT_EQ(store_.open(), 1);
  peer().Say(id_, Cancel{});
  talk_->Settle();
  EXPECT_EQ(store_.open(), 0);
  EXPECT_FALSE(IsStored());
  peer().Say(id_, PutCommit{});
  EXPECT_EQ(DoneFor(*talk_, id_).code, Code::kNotFound);
  ExpectPutWorks();
}

TEST_P(PutTest, PutOfAPeerThatIsLostLeavesNothing) {
  Serve({.put_window_bytes = kWindow, .max_transfers = 1});
  RawPeer other(talk_->network(), "other");
  ASSERT_TRUE(talk_->StepUntil([&] { return other.connection.up(); }));
  other.Say(id_, PutBlob{.key = blob_.key, .bytes = size()});
  ASSERT_TRUE(talk_->StepUntil([&] { return !other.All<Credit>(id_).empty(); }));
  other.Say(id_, Chunk{}, bytes());
  ASSERT_TRUE(talk_->StepUntil([&] { return other.All<Credit>(id_).size() == 2; }));
  talk_->network().Partition("server", "other");
  talk_->network().Advance(std::chrono::seconds(10));
  talk_->Settle();
  EXPECT_EQ(store_.open(), 0);
  EXPECT_FALSE(IsStored());
  ExpectPutWorks();
}

TEST_P(PutTest, OfTwoPutsOfOneKeyTheSecondIsToldThatItIsUnderWay) {
  Serve();
  const RequestId second = RequestId::Random();
  Begin(id_);
  peer().Say(second, PutBlob{.key = blob_.key, .bytes = size()});
  const Done busy = DoneFor(*talk_, second);
  EXPECT_EQ(busy.code, Code::kBusy);
  EXPECT_FALSE(busy.committed);
  SayAll(id_);
  EXPECT_EQ(DoneFor(*talk_, id_), (Done{.bytes = size(), .committed = true}));
  EXPECT_EQ(ListAll(store_).value().size(), 1u);
  EXPECT_TRUE(GetBytes(store_, blob_.key).value() == blob_.bytes);
}

TEST_P(PutTest, PutOfACommittedKeyIsAnsweredAtOnce) {
  Serve();
  ExpectPutWorks();
  peer().Say(id_, PutBlob{.key = blob_.key, .bytes = size()});
  const Done done = DoneFor(*talk_, id_);
  EXPECT_EQ(done.code, Code::kAlreadyExists);
  EXPECT_TRUE(done.committed);
}

TEST_P(PutTest, SecondCommitOfAPutLeavesTheBlobWhole) {
  Serve();
  store_.commit().Close();
  Begin(id_);
  SayAll(id_);
  ASSERT_TRUE(talk_->StepUntil([&] { return store_.commit().Occupied(); }));
  peer().Say(id_, PutCommit{});
  EXPECT_EQ(DoneFor(*talk_, id_).code, Code::kInvalidArgument);
  store_.commit().Open();
  talk_->Settle();
  EXPECT_EQ(store_.open(), 0);
  EXPECT_TRUE(GetBytes(store_, blob_.key).value() == blob_.bytes);
}

TEST_P(PutTest, DamagedBytesAreRefusedAtTheCommit) {
  Serve();
  Begin(id_);
  std::vector<uint8_t> damaged = blob_.bytes;
  damaged[2'000'000] ^= 1;
  peer().Say(id_, Chunk{}, damaged);
  peer().Say(id_, PutCommit{});
  const Done done = DoneFor(*talk_, id_);
  EXPECT_EQ(done.code, Code::kDataLoss);
  EXPECT_FALSE(done.committed);
  EXPECT_FALSE(IsStored());
  EXPECT_EQ(store_.Stats().value().corruptions, 1u);
}

TEST_P(PutTest, ChunkThatDoesNotFitEndsThePut) {
  Serve();
  struct Case {
    const char* what;
    uint64_t bytes;
  };
  for (const auto& [what, count] : {Case{"without bytes", 0}, Case{"over the credit", kWindow + 1},
                                    Case{"over the announced size", size() + 1}}) {
    const RequestId id = RequestId::Random();
    Begin(id);
    peer().Say(id, Chunk{}, std::vector<uint8_t>(count));
    EXPECT_EQ(DoneFor(*talk_, id).code, Code::kInvalidArgument) << what;
  }
  talk_->Settle();
  EXPECT_EQ(store_.open(), 0);
  ExpectPutWorks();
}

TEST_P(PutTest, MessagesBeforeTheFirstCreditEndThePut) {
  Serve();
  for (const Message& early : {Message(Chunk{}), Message(PutCommit{}), Message(Credit{1})}) {
    const RequestId id = RequestId::Random();
    peer().Say(id, PutBlob{.key = blob_.key, .bytes = size()});
    peer().Say(id, early, bytes().first(10));
    EXPECT_EQ(DoneFor(*talk_, id).code, Code::kInvalidArgument);
    talk_->Settle();
    EXPECT_TRUE(peer().All<Credit>(id).empty());
    EXPECT_EQ(store_.open(), 0);
  }
  ExpectPutWorks();
}

TEST_P(PutTest, CreditForAPutIsNoSuccess) {
  Serve();
  Begin(id_);
  peer().Say(id_, Credit{1});
  const Done done = DoneFor(*talk_, id_);
  EXPECT_EQ(done.code, Code::kInvalidArgument);
  EXPECT_THAT(done.message, HasSubstr("credit"));
}

TEST_P(PutTest, ImpossibleSizesAreRefused) {
  Serve();
  const std::pair<uint64_t, Code> sizes[] = {{0, Code::kInvalidArgument},
                                             {(64 << 20) + 1, Code::kResourceExhausted},
                                             {~uint64_t{0}, Code::kResourceExhausted}};
  for (const auto& [bytes, code] : sizes) {
    const RequestId id = RequestId::Random();
    peer().Say(id, PutBlob{.key = blob_.key, .bytes = bytes});
    EXPECT_EQ(DoneFor(*talk_, id).code, code) << bytes;
  }
}

TEST_P(PutTest, ManySmallChunksThatWaitCountAgainstTheBudget) {
  Serve({.put_window_bytes = kWindow, .max_held_bytes = 1 << 20});
  Begin(id_);
  store_.append().Close();
  for (int i = 0; i < 2000; ++i) {
    peer().Say(id_, Chunk{}, bytes().subspan(static_cast<size_t>(i), 1));
    talk_->network().RunUntilIdle();
  }
  EXPECT_EQ(DoneFor(*talk_, id_).code, Code::kBusy);
  store_.append().Open();
  talk_->Settle();
  EXPECT_EQ(store_.open(), 0);
}

TEST_P(PutTest, ImportsCountAgainstTheBudgetUntilThePutIsOver) {
  Serve({.put_window_bytes = kWindow, .max_held_bytes = 1 << 20});
  const std::string name(10'000, 'm');
  const PutBlob put{.key = blob_.key,
                    .bytes = size(),
                    .imports = std::vector<Import>(40, {.reference = {.module = name}})};
  peer().Say(id_, put);
  ASSERT_TRUE(talk_->StepUntil([&] { return !peer().All<Credit>(id_).empty(); }));
  PutBlob other = put;
  other.key = UnitKey{};
  const RequestId refused = RequestId::Random();
  peer().Say(refused, other);
  EXPECT_EQ(DoneFor(*talk_, refused).code, Code::kBusy);
  peer().Say(id_, Cancel{});
  talk_->Settle();
  const RequestId taken = RequestId::Random();
  peer().Say(taken, other);
  EXPECT_TRUE(talk_->StepUntil([&] { return !peer().All<Credit>(taken).empty(); }));
}

TEST_P(PutTest, ServerThatGoesWhileChunksWaitLeavesNothing) {
  Serve();
  Begin(id_);
  store_.append().Close();
  SayAll(id_, 300'000);
  ASSERT_TRUE(talk_->StepUntil([&] { return store_.append().Occupied(); }));
  talk_->network().RunUntilIdle();
  std::thread opener([&] { store_.append().Open(); });
  talk_->DestroyServer();  // waits for the append that runs
  opener.join();
  talk_->network().RunUntilIdle();
  talk_.reset();
  EXPECT_EQ(store_.open(), 0);
  EXPECT_FALSE(IsStored());
}

}  // namespace
}  // namespace promptcache::testing
