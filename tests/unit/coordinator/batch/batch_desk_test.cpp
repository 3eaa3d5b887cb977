#include <gmock/gmock.h>

#include "coordinator/session/session.h"
#include "tests/unit/coordinator/batch/batch_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(BatchDeskTest, BatchRunsAndItsResultsStay) {
  BatchSite& site = Site("a");
  ASSERT_EQ(Add(site, 1, Prompts({"p", "q", "r"})), Code::kOk) << message_;
  EXPECT_THAT(site.running, SizeIs(2));
  EXPECT_EQ(site.Answer("first"), "p");
  Pass();
  EXPECT_EQ(Results(site, 1), "0:n-p=first");
  const BatchInfo half = Query(site, {.batch = Id(1)}).batches.at(0);
  EXPECT_EQ(half.ended, 1u);
  EXPECT_EQ(half.coordinator, "a");
  EXPECT_EQ(site.Answer("x", {.code = Code::kNotFound}), "q");
  EXPECT_EQ(site.Answer("last"), "r");
  Pass();
  EXPECT_EQ(Results(site, 1), "0:n-p=first 1:n-q=not found 2:n-r=last");
  const BatchInfo done = Query(site, {.batch = Id(1)}).batches.at(0);
  EXPECT_EQ(done.ended, 3u);
  EXPECT_EQ(done.failed, 1u);
  EXPECT_EQ(done.coordinator, "");
  EXPECT_TRUE(records_.List(kBatchOwnerPrefix, UINT64_MAX)->empty());
}

TEST_F(BatchDeskTest, ResultsComeInPages) {
  BatchSite& site = Site("a", 10);
  ASSERT_EQ(Add(site, 1, Prompts({"p", "q", "r"})), Code::kOk);
  for (const char* text : {"0", "1", "2"}) site.Answer(text);
  Pass();
  const BatchReply first = Query(site, {.batch = Id(1), .limit = 2});
  ASSERT_THAT(first.results, SizeIs(2));
  EXPECT_TRUE(first.more);
  const BatchReply rest = Query(site, {.batch = Id(1), .first = 2, .limit = 2});
  ASSERT_THAT(rest.results, SizeIs(1));
  EXPECT_EQ(rest.results[0].item, 2u);
  EXPECT_FALSE(rest.more);
}

TEST_F(BatchDeskTest, SixteenQuestionsAtOnceWaitForTheStoreAndMoreAreBusy) {
  BatchSite& site = Site("a");
  store_->SetSilent(true);
  for (uint8_t n = 1; n <= 17; ++n) site.Ask(PeerOf(""), Id(100 + n), BatchQuery{});
  EXPECT_FALSE(site.HasAnswered(Id(116)));
  ASSERT_NE(site.Answered<Reply>(Id(117)), nullptr);
  EXPECT_EQ(site.Answered<Reply>(Id(117))->code, Code::kBusy);
  store_->SetSilent(false);
  Pass(std::chrono::seconds(11));
  EXPECT_TRUE(site.HasAnswered(Id(116)));
  EXPECT_THAT(Query(site, {}).batches, SizeIs(0));
}

TEST_F(BatchDeskTest, BatchThatIsAddedAgainIsTheSameOne) {
  BatchSite& first = Site("a");
  BatchSite& second = Site("b");
  ASSERT_EQ(Add(first, 1, Prompts({"p"})), Code::kOk);
  EXPECT_EQ(Add(first, 1, Prompts({"p"})), Code::kOk);
  EXPECT_EQ(Add(second, 1, Prompts({"p"})), Code::kOk) << "its client went to another one";
  EXPECT_EQ(Add(second, 1, Prompts({"q"})), Code::kAlreadyExists);
  EXPECT_THAT(message_, HasSubstr("other items"));
  EXPECT_THAT(first.running, SizeIs(1));
  EXPECT_THAT(second.running, SizeIs(0));
}

TEST_F(BatchDeskTest, WhatCannotBeKeptIsNotAcknowledgedAndLeavesNothing) {
  BatchSite& site = Site("a");
  EXPECT_EQ(Add(site, 1, {}), Code::kInvalidArgument);
  EXPECT_EQ(Add(site, 0, Prompts({"p"})), Code::kInvalidArgument) << "an id of zeros";
  store_->FailWith(ResourceExhausted("the disk is full"));
  EXPECT_EQ(Add(site, 2, Prompts({"p"})), Code::kResourceExhausted);
  store_->FailWith({});
  store_.reset();
  Pass();
  EXPECT_EQ(Add(site, 3, Prompts({"p"})), Code::kUnavailable);
  EXPECT_THAT(message_, HasSubstr("cachestore"));
  store_.emplace(network_, records_);
  PassLease();
  EXPECT_EQ(Records(), 0u);
  EXPECT_THAT(site.running, SizeIs(0));
}

TEST_F(BatchDeskTest, WithoutAStoreBatchesAreRefusedSayingWhatToSet) {
  CoordinatorSettings settings = BatchSettings(2);
  settings.store_endpoint.clear();
  sites_.push_back(std::make_unique<BatchSite>(network_, "a", settings));
  EXPECT_EQ(Add(*sites_[0], 1, Prompts({"p"})), Code::kFailedPrecondition);
  EXPECT_THAT(message_, HasSubstr("coordinator.store_endpoint"));
}

TEST_F(BatchDeskTest, RemovedBatchIsCancelledAndLeavesNothing) {
  BatchSite& site = Site("a");
  ASSERT_EQ(Add(site, 1, Prompts({"p", "q", "r"})), Code::kOk);
  site.Answer();
  Pass();
  EXPECT_EQ(Remove(site, 1), Code::kOk) << message_;
  EXPECT_THAT(site.running, SizeIs(0));
  EXPECT_THAT(site.cancelled, SizeIs(2));
  Pass();
  EXPECT_EQ(Records(), 0u);
  EXPECT_EQ(Remove(site, 1), Code::kNotFound);
  EXPECT_EQ(Add(site, 1, Prompts({"other"})), Code::kOk) << "the id is free again";
}

TEST_F(BatchDeskTest, BatchOfAnotherCoordinatorIsRemovedThere) {
  BatchSite& owner = Site("a");
  BatchSite& other = Site("b");
  ASSERT_EQ(Add(owner, 1, Prompts({"p", "q"})), Code::kOk);
  EXPECT_EQ(Remove(other, 1), Code::kOk) << message_;
  Pass();
  EXPECT_THAT(owner.cancelled, SizeIs(2));
  EXPECT_EQ(Records(), 0u);
  EXPECT_THAT(other.running, SizeIs(0));
}

TEST_F(BatchDeskTest, TenantThatKeepsItsShareAddsNothingMoreUntilItRemovesSome) {
  BatchSite& site = Site("a");
  const PeerInfo acme = PeerOf("acme");
  ASSERT_EQ(Add(site, 1, Prompts({"p"}), acme), Code::kOk);
  const RequestId kept = IdWithin("acme", Id(2));
  ASSERT_TRUE(records_
                  .CompareAndSet(BatchHeadKey(kept), 0,
                                 EncodeBatchHead({.info = {.id = Id(2), .tenant = "acme"},
                                                  .bytes = uint64_t{8} << 30}))
                  .ok());
  EXPECT_EQ(Add(site, 3, Prompts({"p"}), acme), Code::kResourceExhausted);
  EXPECT_THAT(message_, HasSubstr("batch rm"));
  EXPECT_EQ(Add(site, 3, Prompts({"p"}), PeerOf("bank")), Code::kOk);
  ASSERT_EQ(Remove(site, 2, acme), Code::kOk) << message_;
  EXPECT_EQ(Add(site, 3, Prompts({"p"}), acme), Code::kOk);
}

TEST_F(BatchDeskTest, TenantsKnowNothingOfEachOthersBatches) {
  BatchSite& site = Site("a");
  const PeerInfo a = PeerOf("acme");
  const PeerInfo b = PeerOf("bank");
  const PeerInfo admin = PeerOf("ops", PeerRole::kAdmin);
  ASSERT_EQ(Add(site, 1, Prompts({"p"}), a), Code::kOk);
  EXPECT_THAT(Query(site, {}, b).batches, SizeIs(0));
  EXPECT_EQ(Remove(site, 1, b), Code::kNotFound);
  EXPECT_EQ(Add(site, 1, Prompts({"other"}), b), Code::kOk) << "an id of its own";
  EXPECT_THAT(Query(site, {}, a).batches, SizeIs(1));
  EXPECT_THAT(Query(site, {}, admin).batches, SizeIs(2));
  EXPECT_EQ(Remove(site, 1, b), Code::kOk);
  EXPECT_THAT(Query(site, {}, a).batches, SizeIs(1)) << "it went for the bank only";
}

}  // namespace
}  // namespace promptcache::testing
