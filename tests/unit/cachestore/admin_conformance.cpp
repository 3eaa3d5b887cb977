// What every store lets operators and importers do.
#include <set>

#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_conformance.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

Import ImportOf(const std::string& schema, const std::string& module, Lifetime lifetime = {}) {
  return {{.schema = schema, .version = "0123456789abcdef", .module = module}, lifetime};
}

BlobInfo InfoOf(BlobStore& store, const UnitKey& key) {
  std::vector<BlobInfo> all = ListAll(store).value();
  for (BlobInfo& info : all) {
    if (info.key == key) return info;
  }
  ADD_FAILURE() << "not listed";
  return {};
}

TEST_P(StoreConformance, ImportsOfAPutAreReferencesOfItsBlob) {
  const SampleBlob blob = MakeSampleBlob();
  const Import import = ImportOf("a", "a/x", {.ttl_ms = 1 << 30});
  ASSERT_TRUE(WriteBlob(blobs(), {blob.key, {import}}, blob.header, blob.LayerSpans()).ok());
  const BlobUse use = InfoOf(blobs(), blob.key).use;
  ASSERT_EQ(use.references.size(), 1u);
  EXPECT_EQ(use.references[0].reference, import.reference);
  EXPECT_EQ(use.references[0].lifetime, import.lifetime);
  EXPECT_EQ(use.imports, 0u);  // it was encoded: nothing was saved
}

TEST_P(StoreConformance, OneRecipeIsStoredOnceForAllWhoUseIt) {
  const SampleBlob blob = MakeSampleBlob();
  for (const char* schema : {"a", "b", "c"}) {
    const Import import = ImportOf(schema, "shared");
    ASSERT_TRUE(WriteBlob(blobs(), {blob.key, {import}}, blob.header, blob.LayerSpans()).ok());
  }
  EXPECT_EQ(blobs().Stats().value().puts, 1u);
  EXPECT_EQ(InfoOf(blobs(), blob.key).use.references.size(), 3u);
  EXPECT_EQ(InfoOf(blobs(), blob.key).use.imports, 0u);
}

TEST_P(StoreConformance, RecordedImportsCountAndUnknownKeysArePassedOver) {
  const SampleBlob blob = MakeSampleBlob();
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const UnitImport imports[] = {{UnitKey{}, ImportOf("a", "x")},
                                {blob.key, ImportOf("a", "x")},
                                {blob.key, ImportOf("a", "x")},
                                {blob.key, ImportOf("b", "y")}};
  ASSERT_TRUE(blobs().RecordImports(imports).ok());
  const BlobUse use = InfoOf(blobs(), blob.key).use;
  EXPECT_EQ(use.imports, 3u);
  EXPECT_EQ(use.references.size(), 2u);
}

TEST_P(StoreConformance, ImportsToldWhileTheBlobIsWrittenAreItsReferences) {
  const SampleBlob blob = MakeSampleBlob();
  const PutRequest put{blob.key, blob.bytes.size(), {ImportOf("a", "x")}};
  const UnitImport imports[] = {{blob.key, ImportOf("b", "y", {.ttl_ms = 1 << 30})},
                                {blob.key, ImportOf("c", "z", {.pinned = true})}};
  auto given_up = blobs().StartPut(put).value();
  ASSERT_TRUE(blobs().RecordImports(imports).ok());
  given_up.reset();
  const auto writer = StartWhenFree(blobs(), put).value();
  ASSERT_TRUE(writer->Append(blob.bytes).ok());
  ASSERT_TRUE(blobs().RecordImports({&imports[1], 1}).ok());
  ASSERT_TRUE(writer->Commit().ok());
  const BlobUse use = InfoOf(blobs(), blob.key).use;
  EXPECT_EQ(use.imports, 1u);
  ASSERT_EQ(use.references.size(), 2u);  // none of those told to the put that was given up
  EXPECT_EQ(use.references[0].reference, put.imports[0].reference);
  EXPECT_EQ(use.references[1].reference, imports[1].import.reference);
  EXPECT_TRUE(use.references[1].lifetime.pinned);
}

TEST_P(StoreConformance, RemovingASchemaDropsItsBlobsAndSaysWhatStays) {
  const SampleBlob own = MakeSampleBlob({.seed = 1});
  const SampleBlob shared = MakeSampleBlob({.seed = 2});
  const SampleBlob other = MakeSampleBlob({.seed = 3});
  for (const SampleBlob* blob : {&own, &shared, &other}) {
    ASSERT_TRUE(PutBytes(blobs(), blob->key, blob->bytes).ok());
  }
  const UnitImport imports[] = {{own.key, ImportOf("a", "a/own")},
                                {shared.key, ImportOf("a", "a/shared")},
                                {shared.key, ImportOf("b", "b/shared")},
                                {other.key, ImportOf("b", "b/other")}};
  ASSERT_TRUE(blobs().RecordImports(imports).ok());
  const RemovalReceipt receipt = admin().RemoveReferences({.schema = "a"}, Erasure::kProve).value();
  EXPECT_EQ(receipt.references, 2u);
  EXPECT_EQ(receipt.removed, (std::vector<RemovedBlob>{{own.key, own.bytes.size()}}));
  ASSERT_EQ(receipt.shared.size(), 1u);
  EXPECT_EQ(receipt.shared[0].key, shared.key);
  EXPECT_EQ(receipt.shared[0].references, (std::vector<Reference>{imports[2].import.reference}));
  EXPECT_TRUE(receipt.still_on_disk.empty());
  EXPECT_FALSE(blobs().Open(own.key).ok());
  EXPECT_TRUE(blobs().Open(shared.key).ok());
  EXPECT_TRUE(blobs().Open(other.key).ok());
}

TEST_P(StoreConformance, RemovingByKeyNeedsNoName) {
  const SampleBlob blob = MakeSampleBlob();
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  EXPECT_EQ(admin().RemoveReferences({}, Erasure::kDrop).status().code(), Code::kInvalidArgument);
  const RemovalReceipt receipt =
      admin().RemoveReferences({.keys = {blob.key, UnitKey{}}}, Erasure::kDrop).value();
  EXPECT_EQ(receipt.removed.size(), 1u);
  EXPECT_FALSE(blobs().Open(blob.key).ok());
}

TEST_P(StoreConformance, PinsAreSetAndTaken) {
  const SampleBlob blob = MakeSampleBlob();
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const PinReceipt pinned = admin().SetPins({.keys = {blob.key}}, PinChange::kPin).value();
  EXPECT_EQ(pinned.blobs, 1u);
  EXPECT_EQ(pinned.pinned_bytes, blob.bytes.size());
  EXPECT_TRUE(InfoOf(blobs(), blob.key).use.pinned);
  EXPECT_EQ(blobs().Stats().value().pinned_bytes, blob.bytes.size());
  EXPECT_EQ(admin().SetPins({.keys = {blob.key}}, PinChange::kUnpin).value().pinned_bytes, 0u);
}

TEST_P(StoreConformance, AHealthyStoreHasNothingToReportAndNothingToCollect) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const CheckReport report = admin().Check(CheckMode::kReport).value();
  EXPECT_EQ(report.blobs, 1u);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(admin().CollectGarbage().value(), GarbageReport());
  EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
}

}  // namespace
}  // namespace promptcache::testing
