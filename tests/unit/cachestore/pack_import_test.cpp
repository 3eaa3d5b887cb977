#include "cachestore/pack/import.h"

#include <gtest/gtest.h>

#include "cachestore/pack/contents.h"
#include "cachestore/pack/pins.h"
#include "tests/unit/cachestore/format_document.h"
#include "tests/unit/cachestore/local_stores.h"
#include "tests/unit/cachestore/sample_pack.h"

namespace promptcache {
namespace {

using testing::GetBytes;
using testing::MakeSampleBlob;
using testing::Medium;
using testing::OpenLocal;
using testing::OpenPack;
using testing::PutBytes;
using testing::ReadFile;
using testing::SampleBlob;
using testing::SampleBlobs;
using testing::SampleImports;
using testing::SampleKey;
using testing::TempDir;
using testing::WriteSamplePack;

constexpr uint64_t kMaxBlobBytes = 64 << 20;

std::vector<uint8_t> PackOf(uint32_t blobs) {
  const TempDir dir;
  const Status status = WriteSamplePack(dir.Sub("a.pcpk"), blobs, SampleKey());
  EXPECT_TRUE(status.ok()) << status.ToString();
  return ReadFile(dir.Sub("a.pcpk"));
}

class PackImport : public ::testing::TestWithParam<Medium> {
 protected:
  const std::unique_ptr<testing::OpenStore> store_ = OpenLocal(GetParam(), kMaxBlobBytes);
  BlobStore& blobs_ = store_->blobs();
};

TEST_P(PackImport, StoresEveryBlobAsItWas) {
  const PackReader pack = OpenPack(PackOf(3)).value();
  std::vector<UnitKey> told;
  const ImportReport report = ImportPack(pack, blobs_, [&](const PackBlob& blob, ImportOutcome) {
                                told.push_back(blob.key);
                              }).value();
  EXPECT_EQ(report, (ImportReport{.imported = 3, .imported_bytes = 3 * 8240}));
  const std::vector<SampleBlob> expected = SampleBlobs(3);
  ASSERT_EQ(told.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(told[i], expected[i].key);
    EXPECT_EQ(GetBytes(blobs_, expected[i].key).value(), expected[i].bytes);
  }
}

TEST_P(PackImport, TakesTheReferencesAlongEvenOfWhatIsStored) {
  const PackReader pack = OpenPack(PackOf(2)).value();
  const SampleBlob blob = SampleBlobs(2)[1];
  ASSERT_TRUE(PutBytes(blobs_, blob.key, blob.bytes).ok());
  ASSERT_TRUE(ImportPack(pack, blobs_, {}).ok());
  const std::vector<BlobInfo> stored = ListAll(blobs_).value();
  ASSERT_EQ(stored.size(), 2u);
  for (const BlobInfo& info : stored) EXPECT_EQ(ImportsOf(info), SampleImports());
}

TEST_P(PackImport, LeavesAloneWhatAnotherWriterIsStoring) {
  const PackReader pack = OpenPack(PackOf(2)).value();
  const SampleBlob blob = SampleBlobs(2)[0];
  const auto writer = blobs_.StartPut({.key = blob.key, .bytes = blob.bytes.size()}).value();
  EXPECT_EQ(ImportPack(pack, blobs_, {}).value(),
            (ImportReport{.imported = 1, .imported_bytes = 8240, .busy = 1}));
}

TEST_P(PackImport, PassesOverWhatIsStored) {
  const PackReader pack = OpenPack(PackOf(3)).value();
  const SampleBlob blob = SampleBlobs(3)[1];
  ASSERT_TRUE(PutBytes(blobs_, blob.key, blob.bytes).ok());
  EXPECT_EQ(ImportPack(pack, blobs_, {}).value(),
            (ImportReport{.imported = 2, .imported_bytes = 2 * 8240, .present = 1}));
  EXPECT_EQ(ImportPack(pack, blobs_, {}).value(), (ImportReport{.present = 3}));
}

TEST_P(PackImport, DamagedBlobIsNotStoredAndWhatCameBeforeStays) {
  std::vector<uint8_t> bytes = PackOf(3);
  const PackBody body = OpenPack(bytes)->manifest().blobs[1].body;
  bytes[body.offset + body.bytes - 1] ^= 1;
  const PackReader pack = OpenPack(bytes).value();
  EXPECT_EQ(ImportPack(pack, blobs_, {}).status().code(), Code::kDataLoss);
  const std::vector<SampleBlob> expected = SampleBlobs(3);
  const std::vector<UnitKey> keys = {expected[0].key, expected[1].key, expected[2].key};
  EXPECT_EQ(blobs_.Contains(keys).value(), (std::vector<bool>{true, false, false}));
}

TEST_P(PackImport, RecordsThatAreThereStay) {
  const PackReader pack = OpenPack(PackOf(1)).value();
  MetaStore& meta = store_->meta();
  EXPECT_EQ(ImportRecords(pack, meta).value(), (RecordReport{.imported = 1}));
  EXPECT_EQ(meta.Get("schema/support").value()->value, "a value");
  EXPECT_EQ(ImportRecords(pack, meta).value(), (RecordReport{.present = 1}));
  const uint64_t revision = meta.Get("schema/support").value()->revision;
  ASSERT_TRUE(meta.CompareAndSet("schema/support", revision, "another").ok());
  EXPECT_EQ(ImportRecords(pack, meta).value(), (RecordReport{.kept = {"schema/support"}}));
  EXPECT_EQ(meta.Get("schema/support").value()->value, "another");
}

TEST_P(PackImport, StoreThatGotAPackHasItsContents) {
  const PackReader pack = OpenPack(PackOf(3)).value();
  ASSERT_TRUE(ImportPack(pack, blobs_, {}).ok());
  EXPECT_EQ(ContentsOf(blobs_).value(), ContentsOf(pack.manifest()));
}

std::vector<uint8_t> PackWithRecord(const MetaEntry& record) {
  const TempDir dir;
  const auto writer = PackWriter::Create(dir.Sub("a.pcpk")).value();
  EXPECT_TRUE(writer->AddRecord(record).ok());
  EXPECT_TRUE(writer->Finish(std::nullopt).ok());
  return ReadFile(dir.Sub("a.pcpk"));
}

TEST_P(PackImport, PinsWhatAnOperatorHadPinned) {
  std::vector<BlobInfo> had;
  for (const SampleBlob& blob : SampleBlobs(3)) {
    had.push_back({.key = blob.key});
    ASSERT_TRUE(PutBytes(blobs_, blob.key, blob.bytes).ok());
  }
  had[1].use.pinned = true;
  had.push_back({.key = {.bytes = {0xEE}}, .use = {.pinned = true}});
  const PackReader pack = OpenPack(PackWithRecord(PinsRecordOf(had))).value();
  EXPECT_EQ(ImportPins(pack, store_->admin()).value()->blobs, 1u);
  const std::vector<BlobInfo> stored = ListAll(blobs_).value();
  EXPECT_FALSE(stored[0].use.pinned);
  EXPECT_TRUE(stored[1].use.pinned);
  EXPECT_EQ(ImportRecords(pack, store_->meta()).value(), RecordReport{});
}

TEST_P(PackImport, RefusesPinsThatAreNoKeys) {
  const std::string key = SampleBlobs(1)[0].key.ToHex();
  for (const std::string& value : {std::string("x"), key, key + "\n\n", key + " "}) {
    const PackReader pack = OpenPack(PackWithRecord({.key = kPinsRecord, .value = value})).value();
    EXPECT_EQ(ImportPins(pack, store_->admin()).status().code(), Code::kDataLoss) << value;
  }
  EXPECT_EQ(ImportPins(OpenPack(PackOf(1)).value(), store_->admin()).value(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Stores, PackImport, ::testing::Values(Medium::kMemory, Medium::kDisk),
                         [](const auto& medium) {
                           return medium.param == Medium::kMemory ? "Memory" : "Disk";
                         });

UnitKey Key(uint8_t number) { return {.bytes = {number}}; }
Content Unit(uint8_t key, uint8_t states) { return {Key(key), Digest256{.bytes = {states}}}; }

TEST(Contents, DifferByKeyOrByStates) {
  const std::vector<Content> left = {Unit(1, 1), Unit(2, 1), Unit(4, 1), Unit(6, 1)};
  const std::vector<Content> right = {Unit(0, 1), Unit(2, 1), Unit(4, 9), Unit(5, 1)};
  EXPECT_EQ(DiffContents(left, right), (ContentDifference{.only_left = {Key(1), Key(6)},
                                                          .only_right = {Key(0), Key(5)},
                                                          .other_states = {Key(4)},
                                                          .same = 1}));
  EXPECT_EQ(DiffContents({}, left).only_right.size(), 4u);
  EXPECT_EQ(DiffContents(left, {}).only_left.size(), 4u);
}

TEST(Contents, AreTheSameWhateverEncodingCost) {
  const SampleBlob blob = MakeSampleBlob();
  BlobHeader header = blob.header;
  header.encode_seconds = 5;
  const std::vector<uint8_t> slower = AssembleBlob(header, blob.LayerSpans()).value();
  ASSERT_NE(slower, blob.bytes);
  EXPECT_EQ(StatesDigest(ParseBlobHeader(slower).value()), StatesDigest(blob.header));
  EXPECT_NE(StatesDigest(MakeSampleBlob({.seed = 2}).header), StatesDigest(blob.header));
}

}  // namespace
}  // namespace promptcache
