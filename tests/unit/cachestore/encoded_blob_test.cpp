// Blobs whose segments are not their layers byte by byte.
#include <gtest/gtest.h>

#include "cachestore/format/blob_info.h"
#include "cachestore/format/blob_verifier.h"
#include "cachestore/format/segment_codec.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/format_document.h"
#include "tests/unit/cachestore/sample_blob.h"

namespace promptcache {
namespace {

using testing::DocumentedBytes;
using testing::MakeSampleBlob;
using testing::ReadGolden;
using testing::SampleBlob;

constexpr BlobShape kShape = {.layers = 2, .kv_heads = 2, .tokens = 9, .head_dim = 4};

struct Kind {
  std::string_view layout;
  BlobEncoding encoding;
};
constexpr Kind kPlain = {kBlobLayout, BlobEncoding::kPlain};
constexpr Kind kZstd = {kBlobLayout, BlobEncoding::kBytePlaneZstd};
constexpr Kind kInt8 = {kInt8Layout, BlobEncoding::kPlain};
constexpr Kind kInt8Zstd = {kInt8Layout, BlobEncoding::kBytePlaneZstd};

// Numbers of 2 to 200 and tiny ones, made of few different bytes.
SampleBlob SampleOf(Kind kind) {
  return MakeSampleBlob(
      {.shape = kShape, .layout = kind.layout, .encoding = kind.encoding, .bits = 0x43});
}

// Every layer as a worker reads it.
Result<std::vector<std::vector<uint8_t>>> ReadLayers(const SampleBlob& blob) {
  MemoryBlobStore store;
  PC_RETURN_IF_ERROR(WriteBlob(store, {.key = blob.key}, blob.header, blob.LayerSpans()).status());
  PC_ASSIGN_OR_RETURN(const auto reader, store.Open(blob.key));
  PC_ASSIGN_OR_RETURN(const BlobHeader header, ReadBlobHeader(*reader));
  std::vector<std::vector<uint8_t>> layers;
  for (size_t i = 0; i < header.segments.size(); ++i) {
    layers.emplace_back(BlobSegmentBytes(header.dtype, header.shape).value());
    PC_RETURN_IF_ERROR(ReadLayer(*reader, header, i, layers.back()));
  }
  return layers;
}

class EncodedBlob : public ::testing::TestWithParam<Kind> {};

TEST_P(EncodedBlob, HeaderSurvivesEncodingAndParsing) {
  const SampleBlob blob = SampleOf(GetParam());
  EXPECT_EQ(blob.bytes[4], 3);
  EXPECT_EQ(blob.header.identity.kv_layout, GetParam().layout);
  EXPECT_EQ(blob.header.encoding, GetParam().encoding);
  EXPECT_EQ(blob.header.total_bytes, blob.bytes.size());
  for (const BlobSegment& segment : blob.header.segments) {
    EXPECT_EQ(segment.offset % kBlobAlignment, 0u);
    EXPECT_EQ(segment.hash == segment.plain_hash, GetParam().encoding == BlobEncoding::kPlain);
  }
  BlobHeader again = blob.header;
  EXPECT_TRUE(EncodeBlobHeader(again).ok());
  EXPECT_EQ(again, blob.header);
}

TEST_P(EncodedBlob, FlippedByteAnywhereIsDetectedInWhatIsStored) {
  SampleBlob blob = SampleOf(GetParam());
  for (size_t i = 0; i < blob.bytes.size(); ++i) {
    for (const uint8_t flip : {0x01, 0x80, 0xFF}) {
      blob.bytes[i] ^= flip;
      EXPECT_EQ(VerifyBlob(blob.bytes).status().code(), Code::kDataLoss) << "byte " << i;
      blob.bytes[i] ^= flip;
    }
  }
  EXPECT_EQ(VerifyBlob(blob.bytes).value(), blob.header);
}

TEST_P(EncodedBlob, EveryShorterAndLongerBlobIsRefused) {
  SampleBlob blob = SampleOf(GetParam());
  for (size_t size = 0; size < blob.bytes.size(); ++size) {
    EXPECT_EQ(VerifyBlob(std::span(blob.bytes).first(size)).status().code(), Code::kDataLoss);
  }
  blob.bytes.push_back(0);
  EXPECT_EQ(VerifyBlob(blob.bytes).status().code(), Code::kDataLoss);
}

// zstd does not use every bit that it writes: what still decodes is the same layer.
TEST_P(EncodedBlob, FlippedByteInASegmentNeverDecodesToOtherTensors) {
  const SampleBlob blob = SampleOf(GetParam());
  const BlobSegment& segment = blob.header.segments[1];
  const auto begin = blob.bytes.begin() + static_cast<ptrdiff_t>(segment.offset);
  std::vector<uint8_t> stored(begin, begin + static_cast<ptrdiff_t>(segment.length));
  std::vector<uint8_t> good(blob.layers[1].size());
  ASSERT_TRUE(DecodeSegment(blob.header, 1, stored, good).ok());
  size_t detected = 0;
  for (uint8_t& byte : stored) {
    byte ^= 0x10;
    std::vector<uint8_t> layer(good.size());
    const Status status = DecodeSegment(blob.header, 1, stored, layer);
    if (status.ok()) {
      EXPECT_EQ(layer, good);
    } else {
      EXPECT_EQ(status.code(), Code::kDataLoss);
      ++detected;
    }
    byte ^= 0x10;
  }
  EXPECT_GT(detected, stored.size() * 9 / 10);
}

TEST_P(EncodedBlob, SegmentsAreDecodedWithTheirOwnLengthsOnly) {
  const SampleBlob blob = SampleOf(GetParam());
  const BlobSegment& segment = blob.header.segments[0];
  const auto stored = std::span(blob.bytes).subspan(segment.offset, segment.length);
  std::vector<uint8_t> layer(blob.layers[0].size());
  EXPECT_TRUE(DecodeSegment(blob.header, 0, stored, layer).ok());
  EXPECT_EQ(DecodeSegment(blob.header, 1, stored, layer).code(), Code::kDataLoss);
  EXPECT_EQ(DecodeSegment(blob.header, 0, stored.first(segment.length - 1), layer).code(),
            Code::kDataLoss);
  EXPECT_EQ(DecodeSegment(blob.header, 2, stored, layer).code(), Code::kInvalidArgument);
  layer.pop_back();
  EXPECT_EQ(DecodeSegment(blob.header, 0, stored, layer).code(), Code::kInvalidArgument);
}

TEST_P(EncodedBlob, IsNotAnOlderVersion) {
  SampleBlob blob = SampleOf(GetParam());
  for (const uint8_t version : {1, 2}) {
    blob.bytes[4] = version;
    EXPECT_EQ(VerifyBlob(blob.bytes).status().code(), Code::kDataLoss);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EncodedBlob, ::testing::Values(kZstd, kInt8, kInt8Zstd),
                         [](const auto& kind) {
                           const std::string name = kind.param.layout == kInt8Layout ? "Int8" : "";
                           return kind.param.encoding == BlobEncoding::kPlain ? name
                                                                              : name + "Zstd";
                         });

TEST(BlobEncodings, PlainBlobsAreStillOfVersion2) {
  const SampleBlob blob = SampleOf(kPlain);
  EXPECT_EQ(blob.bytes[4], 2);
  std::vector<uint8_t> bytes = blob.bytes;
  bytes[4] = 3;
  EXPECT_EQ(VerifyBlob(bytes).status().message(),
            "blob: encoding plain of layout lkhtd-v1 is not written as version 3");
}

TEST(BlobEncodings, LoseNothingAndChangeNoKey) {
  const SampleBlob plain = SampleOf(kPlain);
  const SampleBlob packed = SampleOf(kZstd);
  EXPECT_EQ(packed.key, plain.key);
  EXPECT_EQ(StatesDigest(packed.header), StatesDigest(plain.header));
  EXPECT_LT(packed.header.segments[0].length, plain.header.segments[0].length);
  EXPECT_EQ(ReadLayers(packed).value(), plain.layers);
  EXPECT_EQ(ReadLayers(plain).value(), plain.layers);
}

TEST(BlobEncodings, OfInt8GiveTheSameLayersAndAnotherKey) {
  const SampleBlob int8 = SampleOf(kInt8);
  const SampleBlob packed = SampleOf(kInt8Zstd);
  EXPECT_EQ(packed.key, int8.key);
  EXPECT_NE(int8.key, SampleOf(kPlain).key);
  EXPECT_EQ(StatesDigest(packed.header), StatesDigest(int8.header));
  EXPECT_EQ(ReadLayers(packed).value(), ReadLayers(int8).value());
  EXPECT_NE(ReadLayers(int8).value(), int8.layers);
}

TEST(BlobEncodings, EncoderRefusesWhatAReaderWould) {
  const BlobHeader good = SampleOf(kZstd).header;
  const auto refused = [&](auto change) {
    BlobHeader header = good;
    change(header);
    return EncodeBlobHeader(header).status().code() == Code::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](BlobHeader&) {}));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.encoding = static_cast<BlobEncoding>(2); }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.segments[1].length = 0; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.segments[0].length = 10000; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.segments.pop_back(); }));
}

TEST(BlobEncodings, ReadingIntoTheWrongPlaceIsRefused) {
  for (const Kind kind : {kPlain, kZstd, kInt8}) {
    const SampleBlob blob = SampleOf(kind);
    MemoryBlobStore store;
    ASSERT_TRUE(WriteBlob(store, {.key = blob.key}, blob.header, blob.LayerSpans()).ok());
    const auto reader = store.Open(blob.key).value();
    std::vector<uint8_t> layer(blob.layers[0].size() + 1);
    EXPECT_EQ(ReadLayer(*reader, blob.header, 0, layer).code(), Code::kInvalidArgument);
    layer.pop_back();
    EXPECT_EQ(ReadLayer(*reader, blob.header, 2, layer).code(), Code::kInvalidArgument);
  }
}

// Written when version 3 was fixed; they must read forever.
TEST(BlobEncodings, GoldenFilesOfVersion3StillRead) {
  for (const auto& [kind, name] : {std::pair(kZstd, "zstd"), std::pair(kInt8, "int8")}) {
    const SampleBlob sample = SampleOf(kind);
    SampleBlob golden = sample;
    golden.bytes = ReadGolden("blob/v3-" + std::string(name) + ".pckv");
    golden.header = VerifyBlob(golden.bytes).value();
    EXPECT_EQ(golden.header.identity, sample.header.identity);
    EXPECT_EQ(golden.header.recipe, sample.header.recipe);
    EXPECT_EQ(StatesDigest(golden.header), StatesDigest(sample.header));
    std::vector<uint8_t> layer(sample.layers[0].size());
    for (size_t i = 0; i < golden.header.segments.size(); ++i) {
      const BlobSegment& segment = golden.header.segments[i];
      const auto stored = std::span(golden.bytes).subspan(segment.offset, segment.length);
      EXPECT_TRUE(DecodeSegment(golden.header, i, stored, layer).ok());
      EXPECT_EQ(layer == sample.layers[i], kind.layout == kBlobLayout);
    }
  }
}

TEST(BlobEncodings, HexExampleOfTheDocumentIsWhatTheEncoderWrites) {
  const SampleBlob blob = SampleOf(kInt8);
  EXPECT_TRUE(blob.bytes == ReadGolden("blob/v3-int8.pckv"));
  EXPECT_TRUE(DocumentedBytes("### Version 3", blob.bytes.size()) == blob.bytes);
}

}  // namespace
}  // namespace promptcache
