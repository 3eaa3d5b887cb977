// Units through real stores, and what a damaged store can do to them: nothing.
#include "worker/kv/unit_io.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "cachestore/disk/open.h"
#include "cachestore/format/blob_io.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/kv/encode.h"
#include "tests/unit/kv/load_unit.h"
#include "tests/unit/kv/recipes.h"
#include "tests/unit/kv/tampering_store.h"
#include "tests/unit/model/tiny_llama.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;
using testing::LoadUnit;
using testing::MakeRecipe;
using testing::RandomIds;

class UnitIoTest : public ::testing::TestWithParam<ComputeDtype> {
 protected:
  UnitIoTest() {
    ContextCache contexts;
    unit_ = testing::Encode(*loaded_.model, contexts, recipe_).unit;
  }

  UnitExpectation Expected() const {
    return {.key = unit_->key,
            .recipe = recipe_,
            .digest = recipe_->Digest(),
            .identity = &loaded_.identity,
            .shape = loaded_.model->shape(),
            .options = loaded_.model->kv_options()};
  }

  void ExpectSameBits(BlobStore& store) const {
    const auto loaded = LoadUnit(store, Expected());
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    EXPECT_TRUE(at::equal((*loaded)->kv, unit_->kv));
    EXPECT_EQ((*loaded)->kv.scalar_type(), unit_->kv.scalar_type());
    EXPECT_EQ((*loaded)->key, unit_->key);
    EXPECT_EQ((*loaded)->digest, unit_->digest);
    EXPECT_EQ((*loaded)->bytes, unit_->bytes);
    EXPECT_EQ((*loaded)->encode_seconds, unit_->encode_seconds);
  }

  LoadedModel loaded_ = testing::LoadTinyLlama(GetParam());
  const std::shared_ptr<const Recipe> recipe_ =
      testing::WithHidden(MakeRecipe(RandomIds(12, 1), RandomIds(9, 2)), {{4, 2}});
  UnitPtr unit_;
};

INSTANTIATE_TEST_SUITE_P(Dtype, UnitIoTest,
                         ::testing::Values(ComputeDtype::kFp32, ComputeDtype::kBf16),
                         [](const auto& test) {
                           return test.param == ComputeDtype::kFp32 ? "fp32" : "bf16";
                         });

TEST_P(UnitIoTest, ComesBackBitForBitFromMemory) {
  MemoryBlobStore store;
  EXPECT_EQ(LoadUnit(store, Expected()).status().code(), Code::kNotFound);
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  ExpectSameBits(store);
  EXPECT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());  // it is there: nothing to do
}

TEST_P(UnitIoTest, EncodingThatLosesNothingGivesTheSameBits) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity, BlobEncoding::kBytePlaneZstd}).ok());
  ExpectSameBits(store);
}

TEST_P(UnitIoTest, Int8GivesTheBitsThatAsStoredHas) {
  Identity int8 = loaded_.identity;
  int8.kv_layout = kInt8Layout;
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {int8}).ok());
  UnitExpectation expected = Expected();
  expected.identity = &int8;
  const UnitPtr loaded = LoadUnit(store, expected).value();
  const UnitPtr stored = AsStored(unit_, kInt8Layout).value();
  EXPECT_TRUE(at::equal(loaded->kv, stored->kv));
  EXPECT_FALSE(at::equal(unit_->kv, stored->kv));
  EXPECT_EQ(AsStored(unit_, kBlobLayout).value(), unit_);
}

TEST_P(UnitIoTest, ComesBackBitForBitFromDiskAfterReopening) {
  const testing::TempDir directory;
  {
    auto store = OpenDiskStore({.directory = directory.Sub("store")});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    ASSERT_TRUE(StoreUnit((*store)->blobs(), *unit_, {loaded_.identity}).ok());
  }
  auto store = OpenDiskStore({.directory = directory.Sub("store")});
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  ExpectSameBits((*store)->blobs());
}

// Of the layers that the unit says are there.
Status ReadyUpTo(const UnitPtr& unit, int64_t layers) {
  SteadyTime::duration none{0};
  return unit->arrival->Wait(layers, none);
}

TEST_P(UnitIoTest, LayersCountOneByOneAsTheyAreVerified) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  UnitLoad load(store, Expected());
  const UnitPtr unit = load.Start().value();
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(ReadyUpTo(unit, layer + 1).code(), Code::kUnavailable);
    EXPECT_EQ(load.ReadLayer().value(), layer == 2);
    EXPECT_TRUE(ReadyUpTo(unit, layer + 1).ok());
    EXPECT_TRUE(at::equal(unit->kv[layer], unit_->kv[layer]));
  }
}

TEST_P(UnitIoTest, DamagedLayerNeverCountsAsThere) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  testing::TamperingStore damaged(store);
  damaged.Flip(ReadBlobHeader(*store.Open(unit_->key).value())->segments[1].offset, 1);
  UnitLoad load(damaged, Expected());
  const UnitPtr unit = load.Start().value();
  EXPECT_FALSE(load.ReadLayer().value());
  EXPECT_EQ(load.ReadLayer().status().code(), Code::kDataLoss);
  EXPECT_TRUE(ReadyUpTo(unit, 1).ok());
  EXPECT_EQ(ReadyUpTo(unit, 2).code(), Code::kDataLoss);
  EXPECT_EQ(damaged.corruption_reports(), 1u);
}

TEST_P(UnitIoTest, LoadThatIsGivenUpLeavesNobodyWaiting) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  auto load = std::make_unique<UnitLoad>(store, Expected());
  const UnitPtr unit = load->Start().value();
  load = nullptr;
  EXPECT_EQ(ReadyUpTo(unit, 1).code(), Code::kCancelled);
}

TEST_P(UnitIoTest, FlippedByteAnywhereIsDataLossAndTold) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  const auto reader = store.Open(unit_->key).value();
  const uint64_t size = reader->size();
  const BlobHeader header = ReadBlobHeader(*reader).value();
  std::vector<uint8_t> prefix(kBlobPrefixBytes);
  ASSERT_TRUE(reader->Read(0, prefix).ok());
  const uint64_t header_end = BlobPrefixLength(prefix).value();

  std::set<uint64_t> offsets;  // of the prefix and header all, of each layer some
  for (uint64_t i = 0; i < header_end; ++i) offsets.insert(i);
  for (const BlobSegment& segment : header.segments) {
    for (const uint64_t at :
         {uint64_t{0}, segment.length / 3, segment.length / 2, segment.length - 1}) {
      offsets.insert(segment.offset + at);
    }
  }
  uint64_t tried = 0;
  for (const uint64_t offset : offsets) {
    for (const uint8_t mask : {0x01, 0x80}) {
      MemoryBlobStore fresh;
      ASSERT_TRUE(StoreUnit(fresh, *unit_, {loaded_.identity}).ok());
      testing::TamperingStore damaged(fresh);
      damaged.Flip(offset, mask);
      const auto loaded = LoadUnit(damaged, Expected());
      ASSERT_EQ(loaded.status().code(), Code::kDataLoss)
          << "byte " << offset << " of " << size << ": " << loaded.status().ToString();
      ASSERT_EQ(damaged.corruption_reports(), 1u) << offset;
      ASSERT_EQ(fresh.Stats()->blobs, 0u) << offset;
      ++tried;
    }
  }
  EXPECT_GT(tried, 2 * header_end);
}

TEST_P(UnitIoTest, AnotherModelsBlobIsAMissThatNamesTheField) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  uint64_t reports = 0;
  testing::TamperingStore told(store);
  for (const auto field : {&Identity::weights, &Identity::tokenizer, &Identity::positions,
                           &Identity::dtype, &Identity::encoder}) {
    Identity here = loaded_.identity;
    here.*field = "other";
    UnitExpectation expected = Expected();
    expected.identity = &here;
    const Status status = LoadUnit(told, expected).status();
    EXPECT_EQ(status.code(), Code::kFailedPrecondition) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("other"));
    // Keys follow from the identity: nobody can use a blob under a key that is not its own.
    EXPECT_EQ(told.corruption_reports(), ++reports);
    EXPECT_EQ(store.Stats()->blobs, 0u);
    ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  }
}

TEST_P(UnitIoTest, BlobOfAnotherRecipeUnderTheKeyIsDataLoss) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  UnitExpectation expected = Expected();
  expected.recipe = MakeRecipe({}, RandomIds(7, 3));
  expected.digest = expected.recipe->Digest();
  EXPECT_EQ(LoadUnit(store, expected).status().code(), Code::kDataLoss);
}

TEST_P(UnitIoTest, BlobOfAnotherShapeIsRefused) {
  MemoryBlobStore store;
  ASSERT_TRUE(StoreUnit(store, *unit_, {loaded_.identity}).ok());
  UnitExpectation expected = Expected();
  ++expected.shape.layers;
  EXPECT_EQ(LoadUnit(store, expected).status().code(), Code::kFailedPrecondition);
}

TEST_P(UnitIoTest, StoreThatIsGoneSaysSo) {
  MemoryBlobStore store;
  testing::TamperingStore gone(store);
  gone.Fail(Unavailable("no store"));
  EXPECT_EQ(LoadUnit(gone, Expected()).status().code(), Code::kUnavailable);
  EXPECT_EQ(StoreUnit(gone, *unit_, {loaded_.identity}).status().code(), Code::kUnavailable);
}

TEST_P(UnitIoTest, FullStoreSaysSo) {
  MemoryBlobStore store({.max_blob_bytes = 100});
  EXPECT_EQ(StoreUnit(store, *unit_, {loaded_.identity}).status().code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace promptcache
