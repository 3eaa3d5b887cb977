#include "cachestore/pack/pack.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/cachestore/format_document.h"
#include "tests/unit/cachestore/sample_pack.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache {
namespace {

using testing::DocumentedBytes;
using testing::MakeSampleBlob;
using testing::OpenPack;
using testing::PutBytes;
using testing::ReadFile;
using testing::ReadGolden;
using testing::SampleBlob;
using testing::SampleBlobs;
using testing::SampleImports;
using testing::SampleKey;
using testing::SampleProbe;
using testing::TempDir;
using testing::WriteSamplePack;

std::vector<uint8_t> SamplePack(uint32_t blobs, const std::optional<SigningKey>& key) {
  const TempDir dir;
  const Status status = WriteSamplePack(dir.Sub("a.pcpk"), blobs, key);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return ReadFile(dir.Sub("a.pcpk"));
}

// Opens it and reads everything.
Status CheckPack(std::vector<uint8_t> bytes) {
  PC_ASSIGN_OR_RETURN(const PackReader pack, OpenPack(std::move(bytes)));
  return pack.Verify();
}

TEST(Pack, GivesBackWhatWasPutIn) {
  const PackReader pack = OpenPack(SamplePack(3, SampleKey())).value();
  EXPECT_EQ(pack.signer(), SampleKey().public_key());
  EXPECT_EQ(pack.manifest().probe, SampleProbe());
  const std::vector<SampleBlob> blobs = SampleBlobs(3);
  ASSERT_EQ(pack.manifest().blobs.size(), blobs.size());
  for (size_t i = 0; i < blobs.size(); ++i) {
    const PackBlob& blob = pack.manifest().blobs[i];
    EXPECT_EQ(blob.key, blobs[i].key);
    EXPECT_EQ(blob.states, StatesDigest(blobs[i].header));
    EXPECT_EQ(blob.imports, SampleImports());
    std::vector<uint8_t> copy;
    ASSERT_TRUE(pack.CopyBlob(blob,
                              [&](std::span<const uint8_t> bytes) {
                                copy.insert(copy.end(), bytes.begin(), bytes.end());
                                return Status();
                              })
                    .ok());
    EXPECT_EQ(copy, blobs[i].bytes);
    EXPECT_EQ(ReadBlobHeader(*pack.OpenBlob(blob)).value(), blobs[i].header);
  }
  ASSERT_EQ(pack.manifest().records.size(), 1u);
  EXPECT_EQ(pack.manifest().records[0].key, "schema/support");
  EXPECT_EQ(pack.ReadRecord(pack.manifest().records[0]).value(), "a value");
  EXPECT_TRUE(pack.Verify().ok());
}

TEST(Pack, MayBeEmpty) {
  const TempDir dir;
  ASSERT_TRUE(PackWriter::Create(dir.Sub("a")).value()->Finish({}).ok());
  const PackReader pack = OpenPack(ReadFile(dir.Sub("a"))).value();
  EXPECT_TRUE(pack.manifest().blobs.empty());
  EXPECT_EQ(pack.manifest().probe, std::nullopt);
  EXPECT_TRUE(pack.Verify().ok());
}

TEST(Pack, FlippedByteAnywhereIsDetected) {
  for (const auto& key : {std::optional<SigningKey>(), std::optional<SigningKey>(SampleKey())}) {
    std::vector<uint8_t> bytes = SamplePack(1, key);
    EXPECT_TRUE(CheckPack(bytes).ok());
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] ^= 0x41;
      EXPECT_EQ(CheckPack(bytes).code(), Code::kDataLoss) << "byte " << i;
      bytes[i] ^= 0x41;
    }
  }
}

TEST(Pack, EveryShorterAndLongerPackIsRefusedWhenItIsOpened) {
  std::vector<uint8_t> bytes = SamplePack(1, {});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(OpenPack(cut).status().code(), Code::kDataLoss) << size;
  }
  bytes.push_back(0);
  EXPECT_EQ(OpenPack(bytes).status().code(), Code::kDataLoss);
}

TEST(Pack, DamageIsNamedWithItsPlace) {
  std::vector<uint8_t> bytes = SamplePack(2, SampleKey());
  const PackBlob blob = OpenPack(bytes)->manifest().blobs[1];
  bytes[blob.body.offset + 100] ^= 1;
  EXPECT_EQ(CheckPack(bytes).message(), "pack memory: unit " + blob.key.ToHex() +
                                            ", 8240 bytes from byte 8400: fails its digest");
}

// A signer may say what is not so.
TEST(Pack, BlobThatIsNoneIsRefusedThoughItsDigestFits) {
  std::vector<uint8_t> bytes = SamplePack(1, {});
  PackManifest manifest = OpenPack(bytes)->manifest();
  const auto body = std::span(bytes).subspan(kPackPrefixBytes, manifest.blobs[0].body.bytes);
  const auto check = [&] {
    manifest.blobs[0].body.digest = Blake2b256(body);
    const std::string record = EncodePackManifest(manifest);
    const uint64_t end = body.size() + kPackPrefixBytes + manifest.records[0].body.bytes;
    std::copy(record.begin(), record.end(), bytes.begin() + static_cast<ptrdiff_t>(end));
    const auto prefix = EncodePackPrefix({.manifest_offset = end,
                                          .manifest_bytes = record.size(),
                                          .digest = PackDigest(end, record)});
    std::copy(prefix.begin(), prefix.end(), bytes.begin());
    return CheckPack(bytes);
  };
  EXPECT_TRUE(check().ok());
  manifest.blobs[0].states.bytes[0] ^= 1;
  EXPECT_NE(check().message().find("other states"), std::string::npos);
  body[4100] ^= 1;
  EXPECT_NE(check().message().find("layer 0 fails its checksum"), std::string::npos);
}

TEST(Pack, OfAFutureVersionIsRefusedByName) {
  std::vector<uint8_t> bytes = SamplePack(1, {});
  bytes[4] = 2;
  EXPECT_EQ(OpenPack(bytes).status().message(),
            "pack memory: format version 2, this build reads 1");
}

TEST(PackTrust, ExtendsToTheKeysThatWereNamed) {
  const std::vector<uint8_t> bytes = SamplePack(1, SampleKey());
  const PublicKey other = SigningKey::Generate().public_key();
  EXPECT_TRUE(OpenPack(bytes, {.keys = {other, SampleKey().public_key()}}).ok());
  const Status status = OpenPack(bytes, {.keys = {other}}).status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(status.message(), "pack memory: signed by " + SampleKey().public_key().ToHex() +
                                  ", which is not trusted");
  EXPECT_TRUE(OpenPack(bytes, {.others = OtherPacks::kAccept}).ok());
}

TEST(PackTrust, UnsignedPacksNeedToBeAllowed) {
  const std::vector<uint8_t> bytes = SamplePack(1, {});
  EXPECT_EQ(OpenPack(bytes, {.keys = {SampleKey().public_key()}}).status().code(),
            Code::kFailedPrecondition);
  EXPECT_TRUE(OpenPack(bytes, {.others = OtherPacks::kAccept}).ok());
}

TEST(PackTrust, WrongSignatureIsRefusedThoughAllPacksAreAllowed) {
  std::vector<uint8_t> bytes = SamplePack(1, SampleKey());
  const PackPrefix prefix = ParsePackPrefix(bytes, bytes.size()).value();
  PackPrefix forged = prefix;
  forged.signer = SigningKey::Generate().public_key();
  const auto encoded = EncodePackPrefix(forged);
  std::copy(encoded.begin(), encoded.end(), bytes.begin());
  EXPECT_EQ(OpenPack(bytes).status().message(),
            "pack memory: the signature is not one of " + forged.signer->ToHex());
}

TEST(PackManifest, IsWrittenAgainAsItWasRead) {
  const std::vector<uint8_t> bytes = SamplePack(2, {});
  const PackPrefix prefix = ParsePackPrefix(bytes, bytes.size()).value();
  const std::string record(bytes.begin() + static_cast<ptrdiff_t>(prefix.manifest_offset),
                           bytes.end());
  EXPECT_EQ(EncodePackManifest(DecodePackManifest(record, prefix.manifest_offset).value()), record);
}

TEST(PackManifest, IsRefusedUnlessItsBodiesAreInOrderAndFillTheFile) {
  const std::vector<uint8_t> bytes = SamplePack(2, {});
  const uint64_t end = ParsePackPrefix(bytes, bytes.size())->manifest_offset;
  const auto refused = [&](auto change) {
    PackManifest manifest = OpenPack(bytes)->manifest();
    change(manifest);
    return DecodePackManifest(EncodePackManifest(manifest), end).status().code() == Code::kDataLoss;
  };
  EXPECT_FALSE(refused([](PackManifest&) {}));
  EXPECT_TRUE(refused([](PackManifest& m) { std::swap(m.blobs[0], m.blobs[1]); }));
  EXPECT_TRUE(refused([](PackManifest& m) { m.blobs[1].key = m.blobs[0].key; }));
  EXPECT_TRUE(refused([](PackManifest& m) { m.blobs.pop_back(); }));
  EXPECT_TRUE(refused([](PackManifest& m) { --m.blobs[0].body.bytes; }));
  EXPECT_TRUE(refused([](PackManifest& m) { m.blobs[0].body.bytes = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](PackManifest& m) { m.records[0].key.clear(); }));
  EXPECT_TRUE(refused([](PackManifest& m) { m.records[0].body.bytes += 1; }));
}

TEST(PackWriter, LeavesNothingUnlessItFinishes) {
  const TempDir dir;
  {
    MemoryBlobStore store;
    const SampleBlob blob = MakeSampleBlob();
    ASSERT_TRUE(PutBytes(store, blob.key, blob.bytes).ok());
    const auto writer = PackWriter::Create(dir.Sub("a.pcpk")).value();
    ASSERT_TRUE(writer->AddBlob(store, blob.key, {}).ok());
    EXPECT_FALSE(std::filesystem::exists(dir.Sub("a.pcpk")));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  ASSERT_TRUE(WriteSamplePack(dir.Sub("a.pcpk"), 1, {}).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

// Whose reads a test can fail.
class InspectedLikeOpened : public testing::GatedStore {
 public:
  using GatedStore::GatedStore;
  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override { return Open(key); }
};

TEST(PackWriter, GoesOnAfterABlobThatCannotBeHad) {
  const TempDir dir;
  const std::vector<SampleBlob> blobs = SampleBlobs(3);
  const SampleBlob large = testing::MakeLargeBlob(4, 3 << 20);
  const UnitKey last = Digest256::FromHex(std::string(64, 'f')).value();
  MemoryBlobStore memory;
  InspectedLikeOpened store(memory);
  for (const size_t i : {0, 1}) ASSERT_TRUE(PutBytes(store, blobs[i].key, blobs[i].bytes).ok());
  ASSERT_TRUE(PutBytes(store, last, large.bytes).ok());
  const auto writer = PackWriter::Create(dir.Sub("a.pcpk")).value();
  ASSERT_TRUE(writer->AddBlob(store, blobs[0].key, {}).ok());
  store.FailReadsAfter(2, DataLoss("torn"));
  EXPECT_EQ(writer->AddBlob(store, last, {}).code(), Code::kDataLoss);
  EXPECT_EQ(writer->AddBlob(store, blobs[2].key, {}).code(), Code::kNotFound);
  EXPECT_EQ(writer->AddBlob(store, blobs[0].key, {}).code(), Code::kInvalidArgument);
  ASSERT_TRUE(writer->AddRecord({.key = "b", .value = "1"}).ok());
  EXPECT_EQ(writer->AddRecord({.key = "a", .value = "1"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(writer->AddBlob(memory, blobs[1].key, {}).code(), Code::kInvalidArgument);
  ASSERT_TRUE(writer->Finish({}).ok());
  const PackReader pack = OpenPack(ReadFile(dir.Sub("a.pcpk"))).value();
  EXPECT_EQ(pack.manifest().blobs.size(), 1u);
  EXPECT_TRUE(pack.Verify().ok());
}

TEST(PackWriter, FolderThatIsNotThereIsNamed) {
  const TempDir dir;
  const Status status = PackWriter::Create(dir.Sub("none/a.pcpk")).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_NE(status.message().find(dir.Sub("none/a.pcpk")), std::string::npos);
}

TEST(PackFile, IsReadFromTheDisk) {
  const TempDir dir;
  ASSERT_TRUE(WriteSamplePack(dir.Sub("a.pcpk"), 2, SampleKey()).ok());
  const auto source = OpenPackFile(dir.Sub("a.pcpk")).value();
  EXPECT_TRUE(PackReader::Open(source, {.keys = {SampleKey().public_key()}})->Verify().ok());
  EXPECT_EQ(OpenPackFile(dir.Sub("b.pcpk")).status().code(), Code::kNotFound);
  EXPECT_EQ(OpenPackFile(dir.path().string()).status().code(), Code::kInvalidArgument);
}

TEST(PackFile, ThatShrinksWhileItIsReadIsDamaged) {
  const TempDir dir;
  ASSERT_TRUE(WriteSamplePack(dir.Sub("a.pcpk"), 1, {}).ok());
  const auto source = OpenPackFile(dir.Sub("a.pcpk")).value();
  const PackReader pack = PackReader::Open(source, {.others = OtherPacks::kAccept}).value();
  std::filesystem::resize_file(dir.Sub("a.pcpk"), 1000);
  const Status status = pack.Verify();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_NE(status.message().find("now ends at byte 1000"), std::string::npos);
}

// Written when the version was fixed; it must read forever.
TEST(Pack, GoldenPackOfVersion1StillReads) {
  const std::vector<uint8_t> bytes = ReadGolden("pack/v1-sample.pcpk");
  const PackReader pack = OpenPack(bytes, {.keys = {SampleKey().public_key()}}).value();
  EXPECT_TRUE(pack.Verify().ok());
  EXPECT_EQ(pack.manifest().probe, SampleProbe());
  EXPECT_EQ(pack.manifest().blobs[0].imports, SampleImports());
  EXPECT_TRUE(bytes == SamplePack(1, SampleKey()));
}

TEST(Pack, HexExampleOfTheDocumentIsWhatTheWriterWrites) {
  std::vector<uint8_t> bytes = SamplePack(1, SampleKey());
  const PackBody body = OpenPack(bytes)->manifest().blobs[0].body;
  const auto blob = std::span(bytes).subspan(body.offset, body.bytes);
  EXPECT_TRUE(std::equal(blob.begin(), blob.end(), MakeSampleBlob().bytes.begin()));
  std::fill(blob.begin(), blob.end(), 0);  // the document has it elsewhere
  EXPECT_TRUE(DocumentedBytes("## The pack, version 1", bytes.size()) == bytes);
}

}  // namespace
}  // namespace promptcache
