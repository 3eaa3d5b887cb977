// Units that are stored smaller than they are computed: the same bits from wherever they come.
#include <gmock/gmock.h>

#include "cachestore/format/blob_io.h"
#include "cachestore/format/compression.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::Each;
using ::testing::Field;

class EngineCompression : public EngineTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void StartWith(const std::string& compression, MemoryBlobStore& store) {
    const Compression parsed = ParseCompression(compression).value();
    engine_ = nullptr;
    loaded_ = LoadTinyLlama(dtype_);
    loaded_.identity.kv_layout = parsed.kv_layout;
    engine_ = StartEngine({.model = loaded_.model.get(),
                           .tokenizer = tokenizer_.get(),
                           .store = &store,
                           .format = {loaded_.identity, parsed.encoding}},
                          options_);
  }
  std::shared_ptr<Answer> Ask() {
    EngineRequest request = Request(prompt_, 12);
    request.options.logprobs = 4;
    return Run(std::move(request));
  }
  static void ExpectSameBits(const Answer& a, const Answer& b) {
    EXPECT_EQ(a.tokens(), b.tokens());
    EXPECT_EQ(a.sample(0).logprobs, b.sample(0).logprobs);
  }
  static auto CameFrom(Source source) { return Each(Field(&UnitUsage::source, source)); }

  const PlanMaker prompt_ = PlanMaker()
                                .Unit(MakeRecipe({}, RandomIds(60, 1)))
                                .Unit(MakeRecipe(RandomIds(30, 3), RandomIds(40, 2)))
                                .New(RandomIds(5, 4));
  MemoryBlobStore store_;
};

INSTANTIATE_TEST_SUITE_P(Compressions, EngineCompression,
                         ::testing::Values("none", "zstd", "int8", "int8-zstd"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(EngineCompression, EncodedCachedAndLoadedUnitsGiveTheSameBits) {
  for (const ComputeDtype dtype : {ComputeDtype::kFp32, ComputeDtype::kBf16}) {
    dtype_ = dtype;
    MemoryBlobStore store;
    StartWith(GetParam(), store);
    const auto encoded = Ask(), cached = Ask();
    EXPECT_THAT(encoded->usage().units, CameFrom(Source::kEncoded));
    EXPECT_THAT(cached->usage().units, CameFrom(Source::kDevice));
    ExpectSameBits(*encoded, *cached);
    StartWith(GetParam(), store);
    const auto loaded = Ask();
    EXPECT_THAT(loaded->usage().units, CameFrom(Source::kDisk));
    ExpectSameBits(*encoded, *loaded);
    engine_ = nullptr;  // before its store
  }
}

TEST_P(EngineCompression, BlobSaysWhatWasAskedFor) {
  StartWith(GetParam(), store_);
  (void)Ask();
  engine_ = nullptr;
  const Compression asked = ParseCompression(GetParam()).value();
  const std::vector<BlobInfo> blobs = ListAll(store_).value();
  EXPECT_EQ(blobs.size(), 2u);
  for (const BlobInfo& blob : blobs) {
    const BlobHeader header = ReadBlobHeader(*store_.Open(blob.key).value()).value();
    EXPECT_EQ(header.identity.kv_layout, asked.kv_layout);
    EXPECT_EQ(header.encoding, asked.encoding);
  }
}

TEST_F(EngineCompression, WhatLosesNothingSharesItsBlobsAndInt8HasItsOwn) {
  StartWith("none", store_);
  const auto plain = Ask();
  StartWith("zstd", store_);
  const auto lossless = Ask();
  EXPECT_THAT(lossless->usage().units, CameFrom(Source::kDisk));
  ExpectSameBits(*plain, *lossless);
  StartWith("int8", store_);
  EXPECT_THAT(Ask()->usage().units, CameFrom(Source::kEncoded));
  engine_ = nullptr;
  EXPECT_EQ(store_.Stats()->blobs, 4u);
}

TEST(Compression, NameThatIsNoneIsRefusedWithThoseThatAre) {
  const Status status = ParseCompression("int4").status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "compression 'int4' is not none, zstd, int8 or int8-zstd");
}

}  // namespace
}  // namespace promptcache::testing
