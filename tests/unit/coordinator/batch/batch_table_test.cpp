#include "coordinator/batch/batch_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

RequestId BatchId(uint8_t number) {
  RequestId id;
  id.bytes[0] = number;
  return id;
}

OwnedBatch BatchOf(uint8_t number, uint32_t items, uint64_t fence = 1) {
  return {.ref = {BatchId(number), fence},
          .info = {.id = BatchId(number), .tenant = "acme", .items = items},
          .ended = std::vector<bool>(items),
          .had_owner = fence > 1};
}

RequestId RequestOf(uint8_t batch, uint32_t item) {
  return BatchItemRequest(BatchOf(batch, item + 1), item);
}

BatchItems ItemsFrom(uint32_t first, uint32_t count) {
  BatchItems items{.first = first};
  for (uint32_t i = first; i < first + count; ++i) {
    items.items.push_back({.name = "n" + std::to_string(i), .submit = {.prompt = "p"}});
  }
  return items;
}

class BatchTableTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kRunning = 2;

  // What was done, in short: "run 1.0" is item 0 of batch 1.
  std::string Words(const BatchActions& actions) {
    std::string words;
    for (const BatchAction& action : actions) words += (words.empty() ? "" : "; ") + Word(action);
    return words;
  }
  std::string End(uint8_t batch, uint32_t item, Final final = {}) {
    return Words(
        table_.Received({.request_id = RequestOf(batch, item), .body = std::move(final)}, now_));
  }
  std::string Part(uint8_t batch, uint32_t item, const Partial& partial) {
    return Words(table_.Received({.request_id = RequestOf(batch, item), .body = partial}, now_));
  }
  std::string Kept(uint8_t batch, uint32_t item, uint64_t fence = 1) {
    return Words(table_.Kept({BatchId(batch), fence}, item, now_));
  }
  std::string Load(uint8_t batch, BatchItems items, uint64_t fence = 1) {
    return Words(table_.ItemsLoaded({BatchId(batch), fence}, std::move(items), now_));
  }
  std::string CountsInWords() const {
    const BatchCounts counts = table_.counts();
    std::string words = std::to_string(counts.batches) + " batches, " +
                        std::to_string(counts.waiting) + " waiting, " +
                        std::to_string(counts.running) + " running";
    for (size_t code = 0; code < counts.ended.size(); ++code) {
      if (counts.ended[code] == 0) continue;
      words += ", " + std::to_string(counts.ended[code]) + " ";
      words += code == 0 ? "ok" : CodeName(static_cast<Code>(code));
    }
    return words;
  }
  std::string Tick(milliseconds later) { return Words(table_.Tick(now_ += later)); }

  BatchTable table_{{.max_running = kRunning,
                     .max_tries = 3,
                     .first_pause = seconds(1),
                     .longest_pause = seconds(3),
                     .max_result_bytes = 100,
                     .max_held_bytes = 250'000,
                     .max_tenant_held_bytes = 150'000}};
  SteadyTime now_{};
  BatchResult result_;  // the last one to keep
  SubmitItem submit_;   // the last one to do

 private:
  std::string Word(const BatchAction& action) {
    if (const auto* load = std::get_if<LoadItems>(&action)) {
      return "load " + Name(load->batch.id, load->first);
    }
    if (const auto* submit = std::get_if<SubmitItem>(&action)) {
      submit_ = *submit;
      return "run " + NameOf(submit->envelope.request_id);
    }
    if (const auto* cancel = std::get_if<CancelItem>(&action)) {
      return "cancel " + NameOf(cancel->request);
    }
    if (const auto* keep = std::get_if<KeepResult>(&action)) {
      result_ = keep->result;
      return "keep " + Name(keep->batch.id, keep->result.item) + " " +
             std::string(CodeName(keep->result.final.code));
    }
    return "end " + std::to_string(std::get<EndBatch>(action).batch.id.bytes[0]);
  }
  static std::string Name(const RequestId& batch, uint32_t item) {
    return std::to_string(batch.bytes[0]) + "." + std::to_string(item);
  }
  static std::string NameOf(const RequestId& request) {
    for (uint8_t batch = 0; batch < 10; ++batch) {
      for (uint32_t item = 0; item < 100; ++item) {
        if (RequestOf(batch, item) == request) return Name(BatchId(batch), item);
      }
    }
    return "?";
  }
};

TEST_F(BatchTableTest, ItemsRunAFewAtATimeAndTheBatchEndsWhenAllAreKept) {
  EXPECT_EQ(Words(table_.Take(BatchOf(1, 3), now_)), "load 1.0");
  EXPECT_EQ(Load(1, ItemsFrom(0, 3)), "run 1.0; run 1.1");
  EXPECT_EQ(submit_.tenant, "acme");
  EXPECT_EQ(End(1, 1), "keep 1.1 ok; run 1.2");
  EXPECT_EQ(result_.name, "n1");
  EXPECT_EQ(Kept(1, 1), "");
  EXPECT_EQ(End(1, 0), "keep 1.0 ok");
  EXPECT_EQ(End(1, 2, {.code = Code::kNotFound}), "keep 1.2 not found");
  EXPECT_EQ(Kept(1, 0), "");
  EXPECT_EQ(Kept(1, 2), "end 1");
  EXPECT_EQ(table_.Find(BatchId(1))->ended, 3u);
  EXPECT_EQ(table_.Find(BatchId(1))->failed, 1u);
  EXPECT_EQ(Words(table_.Forget(BatchId(1), now_)), "");
  EXPECT_EQ(table_.counts().running, 0u);
}

TEST_F(BatchTableTest, ItemsOfHigherPriorityThatAreInMemoryRunFirst) {
  BatchItems items = ItemsFrom(0, 4);
  items.items[2].submit.priority = 1;
  items.items[3].submit.priority = 255;
  (void)table_.Take(BatchOf(1, 4), now_);
  EXPECT_EQ(Load(1, std::move(items)), "run 1.3; run 1.2");
  EXPECT_EQ(End(1, 3), "keep 1.3 ok; run 1.0");
}

TEST_F(BatchTableTest, ItemsAreLoadedInPartsAndOnlyWhatHasNoResultRuns) {
  OwnedBatch batch = BatchOf(1, 6, 7);
  batch.ended = {true, false, true, true, true, false};
  batch.info.ended = 4;
  EXPECT_EQ(Words(table_.Take(std::move(batch), now_)), "load 1.1");
  EXPECT_EQ(Load(1, ItemsFrom(0, 4), 7), "run 1.1; load 1.5");
  EXPECT_EQ(Load(1, ItemsFrom(4, 2), 7), "run 1.5");
  EXPECT_EQ(End(1, 1), "keep 1.1 ok");
  EXPECT_EQ(End(1, 5), "keep 1.5 ok");
  EXPECT_EQ(Kept(1, 1, 7), "");
  EXPECT_EQ(Kept(1, 5, 7), "end 1");
}

TEST_F(BatchTableTest, BatchThatIsTakenOverAsksWorkersForWhatTheyMayHave) {
  (void)table_.Take(BatchOf(1, 1), now_);
  (void)Load(1, ItemsFrom(0, 1));
  const Envelope first = submit_.envelope;
  EXPECT_TRUE(std::get<Submit>(first.body).tried.empty());
  EXPECT_EQ(Words(table_.Forget(BatchId(1), now_)), "cancel 1.0");

  (void)table_.Take(BatchOf(1, 1, 2), now_);
  (void)Load(1, ItemsFrom(0, 1), 2);
  EXPECT_EQ(submit_.envelope.request_id, first.request_id);
  EXPECT_FALSE(std::get<Submit>(submit_.envelope.body).tried.empty());
  EXPECT_GE(submit_.envelope.attempt, first.attempt + 65'536);
}

TEST_F(BatchTableTest, BatchUnderAnIdThatAnotherHadHasRequestsOfItsOwn) {
  OwnedBatch first = BatchOf(1, 1);
  OwnedBatch second = BatchOf(1, 1);
  first.head = 7;
  second.head = 8;
  EXPECT_NE(BatchItemRequest(first, 0), BatchItemRequest(second, 0));
}

// Attempts are numbers of 32 bits.
TEST_F(BatchTableTest, AttemptsAscendWithTheOwnersOfARequestHoweverManyThereWere) {
  RequestId request;
  uint32_t attempt = 0;
  uint32_t requests = 0;
  for (uint64_t fence = 65'530; fence < 65'540; ++fence) {
    (void)table_.Take(BatchOf(1, 1, fence), now_);
    (void)Load(1, ItemsFrom(0, 1), fence);
    const Envelope& next = submit_.envelope;
    if (next.request_id == request) {
      EXPECT_GT(next.attempt, attempt) << fence;
    } else {
      ++requests;
    }
    request = next.request_id;
    attempt = next.attempt;
    (void)table_.Forget(BatchId(1), now_);
  }
  EXPECT_EQ(requests, 2u);
}

TEST_F(BatchTableTest, BatchWhoseItemsHaveAllEndedOnlyEnds) {
  OwnedBatch batch = BatchOf(1, 1, 2);
  batch.ended = {true};
  batch.info.ended = 1;
  EXPECT_EQ(Words(table_.Take(std::move(batch), now_)), "end 1");
}

TEST_F(BatchTableTest, BatchOfWhichTheLeastRunsIsNext) {
  (void)table_.Take(BatchOf(1, 50), now_);
  EXPECT_EQ(Load(1, ItemsFrom(0, 50)), "run 1.0; run 1.1");
  EXPECT_EQ(Words(table_.Take(BatchOf(2, 50), now_)), "") << "nothing runs before there is room";
  EXPECT_EQ(End(1, 0), "keep 1.0 ok; load 2.0; run 1.2");
  EXPECT_EQ(Load(2, ItemsFrom(0, 50)), "");
  (void)Kept(1, 0);
  EXPECT_EQ(End(1, 1), "keep 1.1 ok; run 2.0");
  EXPECT_EQ(End(1, 2), "keep 1.2 ok; run 1.3");
}

TEST_F(BatchTableTest, OnlyBatchesThatCouldStartAreLoaded) {
  EXPECT_EQ(Words(table_.Take(BatchOf(1, 2), now_)), "load 1.0");
  EXPECT_EQ(Words(table_.Take(BatchOf(2, 1), now_)), "load 2.0");
  for (const uint8_t later : {3, 4, 5}) EXPECT_EQ(Words(table_.Take(BatchOf(later, 1), now_)), "");
  EXPECT_EQ(Load(1, ItemsFrom(0, 2)), "run 1.0; run 1.1");
  EXPECT_EQ(Load(2, ItemsFrom(0, 1)), "");
  EXPECT_EQ(End(1, 0), "keep 1.0 ok; run 2.0");
  EXPECT_EQ(End(1, 1), "keep 1.1 ok; load 3.0");
  EXPECT_EQ(Words(table_.Forget(BatchId(3), now_)), "load 4.0");
}

// In thirds of what one tenant may hold, and fifths of what all may.
TEST_F(BatchTableTest, ItemsInMemoryAreBoundedOfOneTenantAndOfAll) {
  const auto take = [&](uint8_t number, const std::string& tenant) {
    OwnedBatch batch = BatchOf(number, 1);
    batch.info.tenant = tenant;
    return Words(table_.Take(std::move(batch), now_));
  };
  BatchItems large = ItemsFrom(0, 1);
  large.items[0].submit.prompt = std::string(50'000, 'p');
  for (const uint8_t batch : {1, 2, 3}) {
    EXPECT_EQ(take(batch, "acme"), "load " + std::to_string(batch) + ".0");
    EXPECT_EQ(Load(batch, large), "run " + std::to_string(batch) + ".0");
    EXPECT_EQ(End(batch, 0), "keep " + std::to_string(batch) + ".0 ok");
  }
  EXPECT_EQ(take(4, "acme"), "") << "three results are not kept yet";
  for (const uint8_t batch : {5, 6}) {
    EXPECT_EQ(take(batch, "bank"), "load " + std::to_string(batch) + ".0");
    EXPECT_EQ(Load(batch, large), "run " + std::to_string(batch) + ".0");
    EXPECT_EQ(End(batch, 0), "keep " + std::to_string(batch) + ".0 ok");
  }
  EXPECT_EQ(take(7, "bank"), "") << "of all";
  EXPECT_EQ(Kept(5, 0), "end 5; load 7.0");
  EXPECT_EQ(Words(table_.Forget(BatchId(7), now_)), "");
  EXPECT_EQ(Kept(1, 0), "end 1; load 4.0");
  EXPECT_EQ(Words(table_.Forget(BatchId(2), now_)), "");
}

TEST_F(BatchTableTest, AnswerIsGatheredBySample) {
  (void)table_.Take(BatchOf(1, 1), now_);
  BatchItems items = ItemsFrom(0, 1);
  items.items[0].submit.options.samples = 2;
  (void)Load(1, std::move(items));
  (void)Part(1, 0, {.seq = 0, .tokens = {1}, .text = "a"});
  (void)Part(1, 0, {.seq = 1, .tokens = {7, 8}, .text = "x", .sample = 1});
  (void)Part(1, 0, {.seq = 2, .tokens = {2}, .text = "b"});
  EXPECT_EQ(End(1, 0, {.usage = {.cached_tokens = 9, .units = {{}}}}), "keep 1.0 ok");
  EXPECT_EQ(result_.samples, (std::vector<BatchSample>{{{1, 2}, "ab"}, {{7, 8}, "x"}}));
  EXPECT_EQ(result_.final.usage.cached_tokens, 9u);
  EXPECT_TRUE(result_.final.usage.units.empty());
}

TEST_F(BatchTableTest, WhatMayPassIsTriedAgainLaterAndThenKept) {
  const Final unavailable{.code = Code::kUnavailable};
  (void)table_.Take(BatchOf(1, 1), now_);
  (void)Load(1, ItemsFrom(0, 1));
  const uint32_t attempt = submit_.envelope.attempt;
  (void)Part(1, 0, {.tokens = {1}, .text = "half"});
  EXPECT_EQ(End(1, 0, unavailable), "");
  EXPECT_EQ(Tick(milliseconds(999)), "");
  EXPECT_EQ(Tick(milliseconds(1)), "run 1.0");
  EXPECT_GT(submit_.envelope.attempt, attempt);
  EXPECT_EQ(End(1, 0, {.code = Code::kBusy, .retry_after_ms = 2'500}), "");
  EXPECT_EQ(Tick(milliseconds(2'499)), "") << "the coordinator said when";
  EXPECT_EQ(Tick(milliseconds(1)), "run 1.0");
  EXPECT_EQ(End(1, 0, unavailable), "keep 1.0 unavailable") << "the third try was the last";
  EXPECT_EQ(result_.samples, (std::vector<BatchSample>{{}})) << "parts of other tries are none";
}

TEST_F(BatchTableTest, ItemsAreCountedByWhereTheyAre) {
  (void)table_.Take(BatchOf(1, 5), now_);
  Load(1, ItemsFrom(0, 5));
  EXPECT_EQ(CountsInWords(), "1 batches, 3 waiting, 2 running");
  End(1, 0);
  End(1, 1, {.code = Code::kBusy});
  EXPECT_EQ(CountsInWords(), "1 batches, 3 waiting, 2 running") << "two others have begun";
  Kept(1, 0);
  EXPECT_EQ(CountsInWords(), "1 batches, 2 waiting, 2 running, 1 ok");
  End(1, 2, {.code = Code::kNotFound});
  Kept(1, 2);
  Kept(1, 2);
  EXPECT_EQ(CountsInWords(), "1 batches, 1 waiting, 2 running, 1 ok, 1 not found");
  (void)table_.Forget(BatchId(1), now_);
  EXPECT_EQ(CountsInWords(), "0 batches, 0 waiting, 0 running, 1 ok, 1 not found");
}

TEST_F(BatchTableTest, ItemsThatPauseMakeRoomForOtherBatchesAndNotForAllOfTheirOwn) {
  (void)table_.Take(BatchOf(1, 50), now_);
  (void)Load(1, ItemsFrom(0, 50));
  const Final busy{.code = Code::kBusy};
  EXPECT_EQ(End(1, 0, busy), "run 1.2");
  EXPECT_EQ(End(1, 1, busy), "run 1.3");
  EXPECT_EQ(End(1, 2, busy), "") << "twice as many as may run are open";
  EXPECT_EQ(End(1, 3, busy), "");
  (void)table_.Take(BatchOf(2, 1), now_);
  EXPECT_EQ(Load(2, ItemsFrom(0, 1)), "run 2.0");
}

TEST_F(BatchTableTest, ItemsThatWereLostEndWithDataLoss) {
  (void)table_.Take(BatchOf(1, 4), now_);
  EXPECT_EQ(Load(1, ItemsFrom(1, 1)), "keep 1.0 data loss; run 1.1; load 1.2");
  EXPECT_THAT(result_.final.message, HasSubstr("lost or damaged"));
  (void)End(1, 1);
  (void)Kept(1, 0);
  (void)Kept(1, 1);
  EXPECT_EQ(Load(1, {.first = ~0U}), "keep 1.2 data loss; keep 1.3 data loss");
  (void)Kept(1, 2);
  EXPECT_EQ(Kept(1, 3), "end 1");
}

TEST_F(BatchTableTest, ItemsThatAreNotThoseThatWereAskedForDoNotStopTheBatch) {
  (void)table_.Take(BatchOf(1, 2), now_);
  EXPECT_EQ(Load(1, ItemsFrom(0, 0)), "keep 1.0 data loss; load 1.1");
  EXPECT_EQ(Load(1, ItemsFrom(0, 1)), "keep 1.1 data loss");
}

TEST_F(BatchTableTest, AnswerThatIsTooLargeIsNotKept) {
  (void)table_.Take(BatchOf(1, 1), now_);
  (void)Load(1, ItemsFrom(0, 1));
  (void)Part(1, 0, {.text = std::string(101, 'x')});
  EXPECT_EQ(End(1, 0), "keep 1.0 resource exhausted");
  EXPECT_TRUE(result_.samples.empty());
  EXPECT_EQ(table_.Find(BatchId(1))->failed, 1u);
}

TEST_F(BatchTableTest, WhatComesLateForAnEarlierOwnershipIsIgnored) {
  (void)table_.Take(BatchOf(1, 2), now_);
  (void)Load(1, ItemsFrom(0, 2));
  (void)End(1, 0);
  (void)table_.Forget(BatchId(1), now_);
  EXPECT_EQ(End(1, 1), "") << "the cancelled one";
  (void)table_.Take(BatchOf(1, 2, 2), now_);
  EXPECT_EQ(Kept(1, 0), "");
  EXPECT_EQ(Load(1, ItemsFrom(0, 2)), "");
  EXPECT_EQ(table_.Find(BatchId(1))->ended, 0u);
  EXPECT_EQ(Load(1, ItemsFrom(0, 2), 2), "run 1.0; run 1.1");
}

TEST_F(BatchTableTest, WhyAnItemFailedIsKeptShort) {
  (void)table_.Take(BatchOf(1, 1), now_);
  (void)Load(1, ItemsFrom(0, 1));
  EXPECT_EQ(End(1, 0, {.code = Code::kNotFound, .message = std::string(1 << 20, 'x')}),
            "keep 1.0 not found");
  EXPECT_LT(result_.final.message.size(), 5'000u);
}

}  // namespace
}  // namespace promptcache::testing
