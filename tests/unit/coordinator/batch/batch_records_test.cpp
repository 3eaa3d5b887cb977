#include "coordinator/batch/batch_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "coordinator/batch/life_watch.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr BatchLimits kLimits{
    .max_items = 5, .max_prompt_bytes = 100, .max_name_bytes = 8, .chunk_bytes = 25};

BatchItem ItemOf(const std::string& prompt) { return {.submit = {.prompt = prompt}}; }

RequestId IdOf(uint8_t byte) {
  RequestId id;
  id.bytes.fill(byte);
  return id;
}

TEST(BatchRecords, ItemsGoIntoChunksAndComeBackWithTheirNumbers) {
  BatchAdd add;
  for (const char* prompt : {"0123456789", "0123456789", "0123456789", "x", "y"}) {
    add.items.push_back(ItemOf(prompt));
  }
  add.items[3].submit.tried = {"elsewhere"};
  const auto batch = EncodeBatch(add, kLimits);
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  EXPECT_EQ(batch->items, 5u);
  ASSERT_THAT(batch->chunks, SizeIs(2));
  EXPECT_EQ(batch->chunks[0].last, 1u);
  EXPECT_EQ(batch->chunks[1].last, 4u);
  const auto items = DecodeBatchItems(
      {.key = BatchItemsKey(IdOf(1), 4), .value = batch->chunks[1].value, .revision = 1});
  EXPECT_EQ(items.first, 2u);
  ASSERT_THAT(items.items, SizeIs(3));
  EXPECT_EQ(items.items[1].submit.prompt, "x");
  EXPECT_THAT(items.items[1].submit.tried, IsEmpty());
}

TEST(BatchRecords, OneLargeItemHasAChunkOfItsOwn) {
  const auto batch =
      EncodeBatch({{ItemOf("a"), ItemOf(std::string(100, 'x')), ItemOf("b")}}, kLimits);
  ASSERT_TRUE(batch.ok());
  EXPECT_THAT(batch->chunks, SizeIs(3));
}

TEST(BatchRecords, EveryTextOfAnItemCounts) {
  BatchItem item = ItemOf("12");
  item.name = "345";
  item.submit.model = "6789";
  item.submit.version = "01234";
  item.submit.options.stop_ids = {1, 2};
  item.submit.options.stop_strings = {"567"};
  EXPECT_EQ(BytesOf(item), 25u);
}

TEST(BatchRecords, ContentIsThatOfTheItems) {
  const auto digest = [](const std::string& prompt) {
    return EncodeBatch({{ItemOf("a"), ItemOf(prompt)}}, kLimits)->content;
  };
  EXPECT_EQ(digest("b"), digest("b"));
  EXPECT_NE(digest("b"), digest("c"));
}

TEST(BatchRecords, BatchesOutOfBoundsAreRefusedNamingTheItem) {
  const auto refusal = [](std::vector<BatchItem> items) {
    return EncodeBatch({std::move(items)}, kLimits).status().ToString();
  };
  EXPECT_THAT(refusal({}), HasSubstr("empty"));
  EXPECT_THAT(refusal(std::vector<BatchItem>(6, ItemOf("a"))), HasSubstr("6 items; at most 5"));
  EXPECT_THAT(refusal({ItemOf("a"), ItemOf("")}), HasSubstr("item 1: it has no prompt"));
  EXPECT_THAT(refusal({ItemOf(std::string(101, 'x'))}), HasSubstr("101 bytes; at most 100"));
  BatchItem named = ItemOf("a");
  named.name = "far too long";
  EXPECT_THAT(refusal({named}), HasSubstr("item 0: its name has 12 bytes"));
  BatchItem modelled = ItemOf("a");
  modelled.submit.model = std::string(257, 'm');
  EXPECT_THAT(refusal({modelled}), HasSubstr("item 0: its model or version has 257 bytes"));
  BatchItem versioned = ItemOf("a");
  versioned.submit.version = std::string(257, 'v');
  EXPECT_THAT(refusal({versioned}), HasSubstr("item 0: its model or version has 257 bytes"));
  BatchItem hot = ItemOf("a");
  hot.submit.options.temperature = -1;
  EXPECT_THAT(refusal({ItemOf("a"), hot}), HasSubstr("item 1: "));
}

TEST(BatchRecords, KeysEndInTheirId) {
  for (const std::string& key :
       {BatchHeadKey(IdOf(7)), BatchOwnerKey(IdOf(7)), BatchLifeKey(IdOf(7))}) {
    EXPECT_TRUE(key.starts_with("job/"));
    EXPECT_EQ(IdOfBatchKey(key).value(), IdOf(7));
  }
  EXPECT_EQ(IdOfBatchKey("job/batch/x").status().code(), Code::kDataLoss);
  EXPECT_LT(BatchResultKey(IdOf(7), 9), BatchResultKey(IdOf(7), 10));
}

TEST(BatchRecords, HeadTellsTheBytesOfItsItemsAndOneOfBeforeTheyWereCountedTellsNone) {
  const std::string head = EncodeBatchHead({.info = {.items = 3}, .bytes = 5'000'000'000});
  EXPECT_EQ(DecodeBatchHead({"job/batch/1", head, 1})->bytes, 5'000'000'000u);
  const auto before = DecodeBatchHead({"job/batch/1", head.substr(0, 32) + head.substr(48), 1});
  EXPECT_EQ(before->info.items, 3u);
  EXPECT_EQ(before->bytes, 0u);
}

TEST(BatchRecords, DamagedRecordsSayWhichTheyAre) {
  const std::string head = EncodeBatchHead({.info = {.id = IdOf(1), .items = 3}});
  EXPECT_EQ(DecodeBatchHead({"job/batch/1", head, 1})->info.items, 3u);
  for (const std::string& value : {std::string(), std::string(10, 'x'), head.substr(0, 40)}) {
    const auto damaged = DecodeBatchHead({"job/batch/1", value, 1});
    EXPECT_EQ(damaged.status().code(), Code::kDataLoss);
    EXPECT_THAT(damaged.status().message(), HasSubstr("'job/batch/1'"));
  }
  EXPECT_EQ(DecodeBatchOwner({"job/owner/1", "nobody", 1}).status().code(), Code::kDataLoss);
  EXPECT_EQ(DecodeBatchLife({"job/life/1", head, 1}).status().code(), Code::kDataLoss);
  const BatchResult result = DecodeBatchResult({BatchResultKey(IdOf(1), 12), "?", 1});
  EXPECT_EQ(result.item, 12u);
  EXPECT_EQ(result.final.code, Code::kDataLoss);
  const BatchItems items = DecodeBatchItems({BatchItemsKey(IdOf(1), 12), "?", 1});
  EXPECT_EQ(items.first, 13u);
  EXPECT_THAT(items.items, IsEmpty());
}

TEST(LifeWatch, LifeEndsWhenItsRecordHasNotChangedForTheLease) {
  LifeWatch watch(seconds(3));
  SteadyTime now{};
  const MetaRecord a{.key = "a", .revision = 1};
  MetaRecord b{.key = "b", .revision = 1};
  EXPECT_THAT(watch.Look({a, b}, now), IsEmpty());
  ++b.revision;
  EXPECT_THAT(watch.Look({a, b}, now += seconds(2)), IsEmpty());
  const auto ended = watch.Look({a, b}, now += seconds(1));
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].key, "a");
  EXPECT_THAT(watch.Look({b}, now += seconds(1)), IsEmpty());
  watch.StartAgain();
  EXPECT_THAT(watch.Look({b}, now += seconds(10)), IsEmpty()) << "nobody could renew it";
}

}  // namespace
}  // namespace promptcache::testing
