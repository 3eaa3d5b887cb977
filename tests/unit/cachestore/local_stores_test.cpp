// The conformance tests over the stores of one process.
#include "tests/unit/cachestore/local_stores.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

const StoreKind kKinds[] = {
    {.name = "Memory", .open = [](uint64_t max) { return OpenLocal(Medium::kMemory, max); }},
    {.name = "Disk", .open = [](uint64_t max) { return OpenLocal(Medium::kDisk, max); }}};

// Over the wire the store looks itself: who reports may be anybody.
TEST_P(StoreConformance, ReportedBlobIsDroppedAndCounted) {
  const SampleBlob blob = MakeSampleBlob();
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  ASSERT_TRUE(blobs().ReportCorrupt(blob.key).ok());
  EXPECT_TRUE(blobs().ReportCorrupt(blob.key).ok());
  EXPECT_EQ(blobs().Open(blob.key).status().code(), Code::kNotFound);
  EXPECT_EQ(blobs().Stats().value().corruptions, 1u);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace promptcache::testing
