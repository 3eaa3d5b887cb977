// What becomes of batches when coordinators are lost, pause, or lose their store.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/batch/batch_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using BatchFailover = BatchDeskTest;

TEST_F(BatchFailover, RestartedCoordinatorGoesOnWithWhatHasNoResult) {
  BatchSite& before = Site("a");
  ASSERT_EQ(Add(before, 1, Prompts({"p", "q", "r"})), Code::kOk);
  const Envelope lost = before.running[1];
  before.Answer("first");
  Pass();
  Kill(before);
  BatchSite& after = Site("a");
  PassLease();
  ASSERT_THAT(after.running, SizeIs(2));
  const Envelope again = after.running[0];
  EXPECT_EQ(again.request_id, lost.request_id) << "workers may have it";
  EXPECT_GT(again.attempt, lost.attempt);
  EXPECT_FALSE(std::get<Submit>(again.body).tried.empty());
  EXPECT_EQ(after.Answer("second"), "q");
  EXPECT_EQ(after.Answer("third"), "r");
  Pass();
  EXPECT_EQ(Results(after, 1), "0:n-p=first 1:n-q=second 2:n-r=third");
  EXPECT_THAT(after.running, SizeIs(0));
}

TEST_F(BatchFailover, CoordinatorShowsItsLifeWhileItHasBatches) {
  const auto lives = [&] { return *records_.List(kBatchLifePrefix, UINT64_MAX); };
  BatchSite& site = Site("a");
  Site("b");
  PassLease();
  EXPECT_THAT(lives(), SizeIs(0));
  ASSERT_EQ(Add(site, 1, Prompts({"p"})), Code::kOk);
  ASSERT_THAT(lives(), SizeIs(1));
  const MetaEntry before = lives()[0];
  PassLease();
  ASSERT_THAT(lives(), SizeIs(1));
  EXPECT_EQ(lives()[0].key, before.key);
  EXPECT_GT(lives()[0].revision, before.revision + 3);
  site.Answer();
  PassLease();
  EXPECT_THAT(lives(), SizeIs(0));
  ASSERT_EQ(Add(site, 2, Prompts({"q"})), Code::kOk);
  PassLease();
  EXPECT_THAT(lives(), SizeIs(1));
  EXPECT_THAT(site.running, SizeIs(1)) << "it was not taken over";
}

TEST_F(BatchFailover, BatchesThatAreAddedAtOnceShowOneLife) {
  BatchSite& site = Site("a");
  for (const uint8_t batch : {1, 2, 3}) site.Ask(PeerOf(""), Id(batch), Prompts({"p"}));
  Pass();
  for (const uint8_t batch : {1, 2, 3}) EXPECT_NE(site.Answered<BatchReply>(Id(batch)), nullptr);
  EXPECT_THAT(*records_.List(kBatchLifePrefix, UINT64_MAX), SizeIs(1));
}

TEST_F(BatchFailover, OneOfTheOthersTakesOver) {
  BatchSite& owner = Site("a");
  BatchSite& second = Site("b");
  BatchSite& third = Site("c");
  ASSERT_EQ(Add(owner, 1, Prompts({"p", "q"})), Code::kOk);
  Pass(milliseconds(20'000));
  EXPECT_EQ(second.running.size() + third.running.size(), 0u) << "the owner lives";
  Kill(owner);
  PassLease();
  EXPECT_EQ(second.running.size() + third.running.size(), 2u);
  EXPECT_TRUE(second.running.empty() || third.running.empty());
}

TEST_F(BatchFailover, CoordinatorThatStopsIsReplacedAtOnce) {
  BatchSite& owner = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(owner, 1, Prompts({"p"})), Code::kOk);
  owner.desk().Shutdown();
  Pass(milliseconds(2'500));
  EXPECT_THAT(other.running, SizeIs(1));
}

TEST_F(BatchFailover, CoordinatorThatPausedAndWasReplacedCanNoLongerWrite) {
  BatchSite& paused = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(paused, 1, Prompts({"p", "q"})), Code::kOk);
  paused.paused = true;
  PassLease();
  ASSERT_THAT(other.running, SizeIs(2));
  paused.Answer("too late");
  Pass();
  EXPECT_EQ(Results(other, 1), "");
  EXPECT_THAT(paused.cancelled, SizeIs(1)) << "it has noticed";
  other.Answer("of the new one");
  paused.paused = false;
  PassLease();
  EXPECT_THAT(paused.running, SizeIs(0));
  EXPECT_THAT(other.running, SizeIs(1)) << "it was not taken back";
  other.Answer("too");
  Pass();
  EXPECT_EQ(Results(other, 1), "0:n-p=of the new one 1:n-q=too");
}

// With other items under the same id, before the coordinator that had it looks again.
TEST_F(BatchFailover, BatchThatWasRemovedAndAddedElsewhereGetsNoOldAnswer) {
  BatchSite& before = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(before, 1, Prompts({"old p", "old q", "old r"})), Code::kOk);
  const RequestId old = before.running[0].request_id;
  before.paused = true;
  ASSERT_EQ(Remove(other, 1), Code::kOk);
  Pass();
  ASSERT_EQ(Add(other, 1, Prompts({"p", "q", "r"})), Code::kOk);
  EXPECT_NE(other.running.at(0).request_id, old) << "workers may still have the old answer";
  before.Answer("old");
  Pass();
  EXPECT_EQ(Results(other, 1), "");
  before.paused = false;
  PassLease();
  EXPECT_THAT(before.running, SizeIs(0));
  for (const char* text : {"0", "1", "2"}) {
    other.Answer(text);
    Pass();
  }
  EXPECT_EQ(Results(other, 1), "0:n-p=0 1:n-q=1 2:n-r=2");
}

TEST_F(BatchFailover, CoordinatorThatPausedWithoutWritingLetsGoWhenItLooks) {
  BatchSite& paused = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(paused, 1, Prompts({"p"})), Code::kOk);
  paused.paused = true;
  PassLease();
  EXPECT_THAT(other.running, SizeIs(1));
  paused.paused = false;
  Pass();
  EXPECT_THAT(paused.running, SizeIs(0));
  EXPECT_THAT(other.running, SizeIs(1));
}

// As a coordinator leaves it that dies while it adds a batch.
TEST_F(BatchFailover, HalfWrittenBatchNeverRunsAndIsErased) {
  const auto encoded = EncodeBatch(Prompts({"p"}), {.max_prompt_bytes = 100});
  ASSERT_TRUE(records_.CompareAndSet(BatchOwnerKey(Id(1)), 0, EncodeBatchOwner(Id(77))).ok());
  ASSERT_TRUE(records_.CompareAndSet(BatchItemsKey(Id(1), 0), 0, encoded->chunks[0].value).ok());
  BatchSite& site = Site("a");
  PassLease();
  EXPECT_EQ(Records(), 0u);
  EXPECT_THAT(site.running, SizeIs(0));
  EXPECT_EQ(Add(site, 1, Prompts({"p"})), Code::kOk) << "it may be added again";
}

TEST_F(BatchFailover, BatchThatIsBeingAddedElsewhereIsNotAddedTwice) {
  BatchSite& adding = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(adding, 7, Prompts({"lives"})), Code::kOk);
  const auto life = records_.Get(BatchOwnerKey(Id(7))).value()->value;
  ASSERT_TRUE(records_.CompareAndSet(BatchOwnerKey(Id(1)), 0, life).ok());
  adding.paused = true;
  EXPECT_EQ(Add(other, 1, Prompts({"p"})), Code::kBusy);
  EXPECT_THAT(message_, HasSubstr("try again"));
}

TEST_F(BatchFailover, StoreThatWasAwayCostsNoResult) {
  BatchSite& site = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(site, 1, Prompts({"p", "q"})), Code::kOk);
  store_.reset();
  Pass();
  site.Answer("lost");
  Pass(milliseconds(10'000));
  store_.emplace(network_, records_);
  Pass(milliseconds(5'000));
  EXPECT_EQ(site.running.size() + other.running.size(), 2u);
  EXPECT_TRUE(other.running.empty()) << "nobody could renew anything, and nobody has died";
  site.Answer("again");
  site.Answer("too");
  Pass();
  EXPECT_EQ(Results(site, 1), "0:n-p=again 1:n-q=too");
}

TEST_F(BatchFailover, DamagedRecordsCostTheirItemsOnly) {
  BatchSite& before = Site("a");
  ASSERT_EQ(Add(before, 1, Prompts({"p", "q"})), Code::kOk);
  before.Answer("first");
  Pass();
  Kill(before);
  const std::string key = BatchItemsKey(Id(1), 1);
  const uint64_t revision = records_.Get(key).value()->revision;
  ASSERT_TRUE(records_.CompareAndSet(key, revision, "damaged").ok());
  BatchSite& after = Site("a");
  PassLease();
  EXPECT_EQ(Results(after, 1), "0:n-p=first 1:=data loss");
}

}  // namespace
}  // namespace promptcache::testing
