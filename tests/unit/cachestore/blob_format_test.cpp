#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "cachestore/format/blob.h"
#include "cachestore/format/blob_prefix.h"
#include "cachestore/format/blob_verifier.h"
#include "tests/unit/cachestore/format_document.h"
#include "tests/unit/cachestore/sample_blob.h"

namespace promptcache {
namespace {

using testing::DocumentedBytes;
using testing::MakeSampleBlob;
using testing::ReadGolden;
using testing::SampleBlob;

TEST(BlobFormat, HeaderSurvivesEncodingAndParsing) {
  const SampleBlob blob = MakeSampleBlob();
  const BlobHeader& h = blob.header;
  EXPECT_EQ(h.shape, (BlobShape{.layers = 2, .kv_heads = 1, .tokens = 3, .head_dim = 2}));
  EXPECT_EQ(h.recipe.Digest(), h.recipe_digest);
  EXPECT_EQ(h.encode_seconds, 0.25);
  EXPECT_EQ(h.total_bytes, blob.bytes.size());
  EXPECT_EQ(h.data_offset % kBlobAlignment, 0u);
  ASSERT_EQ(h.segments.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(h.segments[i].offset % kBlobAlignment, 0u);
    EXPECT_EQ(h.segments[i].length, 48u);
    const auto bytes = std::span(blob.bytes).subspan(h.segments[i].offset, 48);
    EXPECT_TRUE(VerifySegment(h, i, bytes).ok());
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), blob.layers[i].begin()));
  }
  EXPECT_EQ(VerifyBlob(blob.bytes).value(), h);
}

TEST(BlobFormat, PrefixLengthIsAllThatParsingNeeds) {
  const SampleBlob blob = MakeSampleBlob();
  const uint64_t length = BlobPrefixLength(std::span(blob.bytes).first(64)).value();
  EXPECT_EQ(ParseBlobHeader(std::span(blob.bytes).first(length)).value(), blob.header);
  EXPECT_EQ(ParseBlobHeader(std::span(blob.bytes).first(length - 1)).status().code(),
            Code::kDataLoss);
}

TEST(BlobFormat, FlippedByteAnywhereIsDetected) {
  SampleBlob blob = MakeSampleBlob();
  for (size_t i = 0; i < blob.bytes.size(); ++i) {
    for (const uint8_t flip : {0x01, 0x80, 0xFF}) {
      blob.bytes[i] ^= flip;
      EXPECT_EQ(VerifyBlob(blob.bytes).status().code(), Code::kDataLoss) << "byte " << i;
      blob.bytes[i] ^= flip;
    }
  }
  EXPECT_TRUE(VerifyBlob(blob.bytes).ok());
}

TEST(BlobFormat, EveryShorterAndLongerBlobIsRefused) {
  SampleBlob blob = MakeSampleBlob();
  for (size_t size = 0; size < blob.bytes.size(); ++size) {
    EXPECT_EQ(VerifyBlob(std::span(blob.bytes).first(size)).status().code(), Code::kDataLoss);
  }
  blob.bytes.push_back(0);
  EXPECT_EQ(VerifyBlob(blob.bytes).status().code(), Code::kDataLoss);
}

TEST(BlobFormat, PiecesOfAnySizeVerifyLikeTheWhole) {
  const SampleBlob blob = MakeSampleBlob();
  for (const size_t piece : {1, 7, 63, 64, 65, 4095, 4096, 5000}) {
    BlobVerifier verifier;
    for (size_t at = 0; at < blob.bytes.size(); at += piece) {
      verifier.Append(std::span(blob.bytes).subspan(at, std::min(piece, blob.bytes.size() - at)));
    }
    EXPECT_EQ(verifier.Finish().value(), blob.header) << piece;
  }
}

// Puts another header under a right checksum, as only an enemy or a bug would.
std::vector<uint8_t> WithPrefix(const SampleBlob& blob, internal::BlobPrefix prefix) {
  std::vector<uint8_t> bytes = blob.bytes;
  const uint64_t at = 64;
  const uint64_t length = std::min<uint64_t>(prefix.header_bytes, bytes.size() - at);
  prefix.header_hash = Xxh3_128(std::span(bytes).subspan(at, length));
  const auto encoded = internal::EncodeBlobPrefix(prefix);
  std::copy(encoded.begin(), encoded.end(), bytes.begin());
  return bytes;
}

TEST(BlobFormat, PrefixThatLiesAboutSizesIsRefused) {
  const SampleBlob blob = MakeSampleBlob();
  const internal::BlobPrefix good = internal::ParseBlobPrefix(blob.bytes).value();
  EXPECT_TRUE(VerifyBlob(WithPrefix(blob, good)).ok());
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{1}, good.header_bytes - 1, kMaxBlobHeaderBytes + 1, ~uint64_t{0}}) {
    internal::BlobPrefix bad = good;
    bad.header_bytes = size;
    EXPECT_EQ(VerifyBlob(WithPrefix(blob, bad)).status().code(), Code::kDataLoss) << size;
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{64}, good.data_offset + 4096, ~uint64_t{0}}) {
    internal::BlobPrefix bad = good;
    bad.data_offset = size;
    EXPECT_EQ(VerifyBlob(WithPrefix(blob, bad)).status().code(), Code::kDataLoss) << size;
  }
  for (const uint64_t size :
       {uint64_t{0}, good.total_bytes - 1, good.total_bytes + 1, good.data_offset, ~uint64_t{0}}) {
    internal::BlobPrefix bad = good;
    bad.total_bytes = size;
    EXPECT_EQ(VerifyBlob(WithPrefix(blob, bad)).status().code(), Code::kDataLoss) << size;
  }
}

void ExpectConsistent(const Result<BlobHeader>& header, const SampleBlob& blob) {
  if (!header.ok()) {
    EXPECT_EQ(header.status().code(), Code::kDataLoss);
    return;
  }
  EXPECT_TRUE(header->recipe.Validate().ok());
  EXPECT_EQ(header->recipe.Digest(), header->recipe_digest);
  EXPECT_EQ(header->segments.size(), header->shape.layers);
  EXPECT_EQ(header->segments.back().offset + header->segments.back().length, blob.bytes.size());
}

// Every byte of the FlatBuffer, each with a checksum that fits: must be refused or parse to a
// header that is consistent, and never read out of bounds (the sanitizer build watches).
TEST(BlobFormat, MalformedHeaderWithRightChecksumNeverPassesInconsistent) {
  for (const BlobEncoding encoding : {BlobEncoding::kPlain, BlobEncoding::kBytePlaneZstd}) {
    SampleBlob blob = MakeSampleBlob({.encoding = encoding});
    const internal::BlobPrefix prefix = internal::ParseBlobPrefix(blob.bytes).value();
    for (uint64_t i = 0; i < prefix.header_bytes; ++i) {
      for (const uint8_t value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
        const uint8_t before = std::exchange(blob.bytes[64 + i], value);
        ExpectConsistent(ParseBlobHeader(WithPrefix(blob, prefix)), blob);
        blob.bytes[64 + i] = before;
      }
    }
  }
}

// Whoever reads a layer makes room for it: a few stored bytes may not ask for terabytes.
TEST(BlobFormat, ShapeThatItsSegmentsCannotGiveIsRefused) {
  SampleBlob blob =
      MakeSampleBlob({.shape = {.layers = 1, .kv_heads = 77, .tokens = 3, .head_dim = 99},
                      .encoding = BlobEncoding::kBytePlaneZstd,
                      .bits = 0});
  const internal::BlobPrefix prefix = internal::ParseBlobPrefix(blob.bytes).value();
  const auto end = blob.bytes.begin() + static_cast<ptrdiff_t>(prefix.data_offset);
  const std::array<uint8_t, 4> heads = {77, 0, 0, 0};
  const auto at =
      std::search(blob.bytes.begin() + kBlobPrefixBytes, end, heads.begin(), heads.end());
  ASSERT_NE(at, end);
  *at = 0;
  *(at + 2) = 1;  // 65,536 heads
  const Status status = ParseBlobHeader(WithPrefix(blob, prefix)).status();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_NE(status.message().find("possible are 4753 to"), std::string::npos) << status.message();
}

TEST(BlobFormat, LayersOfOneNumberAreWhatTheirSegmentsCanGive) {
  const SampleBlob blob =
      MakeSampleBlob({.shape = {.layers = 1, .kv_heads = 64, .tokens = 64, .head_dim = 256},
                      .encoding = BlobEncoding::kBytePlaneZstd,
                      .bits = 0});
  EXPECT_LT(blob.bytes.size(), 16u << 10);
  EXPECT_EQ(VerifyBlob(blob.bytes).value(), blob.header);
}

TEST(BlobFormat, EncoderRefusesWhatAReaderWould) {
  const BlobHeader good = MakeSampleBlob().header;
  const auto refused = [&](auto change) {
    BlobHeader header = good;
    change(header);
    return EncodeBlobHeader(header).status().code() == Code::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](BlobHeader&) {}));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.recipe.own = {}; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.recipe.own.positions[0] = 1; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.recipe.mode = static_cast<EncodingMode>(9); }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.dtype = static_cast<BlobDtype>(0); }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.recipe.hidden = {}; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.recipe.hidden = {{0, 1}}; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.shape.tokens = 4; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.shape.layers = 3; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.shape.kv_heads = 0; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.shape.head_dim = 1u << 31; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.identity.kv_layout = "other"; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.encode_seconds = NAN; }));
  EXPECT_TRUE(refused([](BlobHeader& h) { h.encode_seconds = -1; }));
}

TEST(BlobFormat, AssemblingRefusesLayersOfTheWrongSize) {
  SampleBlob blob = MakeSampleBlob();
  blob.layers[1].pop_back();
  EXPECT_EQ(AssembleBlob(blob.header, blob.LayerSpans()).status().code(), Code::kInvalidArgument);
  blob.layers.pop_back();
  EXPECT_EQ(AssembleBlob(blob.header, blob.LayerSpans()).status().code(), Code::kInvalidArgument);
}

TEST(BlobFormat, IdentityThatDiffersNamesItsField) {
  const BlobHeader header = MakeSampleBlob().header;
  Identity here = header.identity;
  EXPECT_TRUE(CheckIdentity(header, here).ok());
  here.dtype = "bf16";
  const Status status = CheckIdentity(header, here);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(status.message(), "identity: dtype: fp32, here bf16");
}

TEST(BlobFormat, ShapeOrTypeThatDiffersIsNamed) {
  const BlobHeader header = MakeSampleBlob().header;
  BlobShape here = header.shape;
  EXPECT_TRUE(CheckShape(header, header.dtype, here).ok());
  EXPECT_EQ(CheckShape(header, BlobDtype::kBfloat16, here).code(), Code::kFailedPrecondition);
  here.head_dim = 64;
  const Status status = CheckShape(header, header.dtype, here);
  EXPECT_NE(status.message().find("head_dim 2"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("head_dim 64"), std::string::npos) << status.message();
}

TEST(BlobFormat, SegmentOfAnotherLayerIsRefused) {
  const SampleBlob blob = MakeSampleBlob();
  EXPECT_EQ(VerifySegment(blob.header, 0, blob.layers[1]).code(), Code::kDataLoss);
  EXPECT_EQ(VerifySegment(blob.header, 2, blob.layers[1]).code(), Code::kInvalidArgument);
  EXPECT_EQ(VerifySegment(blob.header, 1, std::span(blob.layers[1]).first(47)).code(),
            Code::kDataLoss);
}

void ExpectGolden(const std::string& name, const Recipe& recipe, const std::string& digest) {
  const std::vector<uint8_t> bytes = ReadGolden("blob/" + name);
  ASSERT_FALSE(bytes.empty()) << name;
  const Result<BlobHeader> header = VerifyBlob(bytes);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  const SampleBlob sample = MakeSampleBlob();
  EXPECT_EQ(header->identity, sample.header.identity);
  EXPECT_EQ(header->recipe, recipe);
  EXPECT_EQ(header->recipe_digest.ToHex(), digest);
  EXPECT_EQ(header->shape, sample.header.shape);
  for (size_t i = 0; i < header->segments.size(); ++i) {
    const auto segment =
        std::span(bytes).subspan(header->segments[i].offset, header->segments[i].length);
    EXPECT_TRUE(std::equal(segment.begin(), segment.end(), sample.layers[i].begin(),
                           sample.layers[i].end()));
  }
}

// The golden files were written when their versions were fixed; they must read forever.
TEST(BlobFormat, GoldenFileOfVersion1StillReads) {
  ExpectGolden("v1-sample.pckv",
               {.context = {{1, 7}, {-2, -1}}, .own = {{100, 101, 102}, {0, 1, 2}}},
               "37d3fdaffaa8eed180f7571a6c2fb3339306f8c29996182cc53c7954058fd84b");
}

TEST(BlobFormat, GoldenFileOfVersion2StillReads) {
  ExpectGolden("v2-sample.pckv",
               {.context = {{1, 7}, {-2, -1}},
                .own = {{100, 101, 102, 103}, {0, 1, 2, 3}},
                .hidden = {{1, 1}}},
               "fe796ad9df06dfc6568ac5675b4dd341f62f0480cc91e6f468aab352de0f9b20");
  EXPECT_TRUE(ReadGolden("blob/v2-sample.pckv") == MakeSampleBlob().bytes);
}

TEST(BlobFormat, RecipeIsNamedByTheRuleOfTheBlobsVersion) {
  const uint32_t versions[] = {1, 2};
  for (const uint32_t version : versions) {
    std::vector<uint8_t> bytes = ReadGolden("blob/v" + std::to_string(version) + "-sample.pckv");
    bytes.at(4) = static_cast<uint8_t>(3 - version);
    EXPECT_EQ(VerifyBlob(bytes).status().code(), Code::kDataLoss) << version;
  }
  EXPECT_NE(VerifyBlob(ReadGolden("blob/v1-sample.pckv"))->recipe_digest,
            VerifyBlob(ReadGolden("blob/v1-sample.pckv"))->recipe.Digest());
}

TEST(BlobFormat, FutureVersionIsRefusedByName) {
  SampleBlob blob = MakeSampleBlob();
  for (const uint8_t version : {0, 4, 255}) {
    blob.bytes[4] = version;
    EXPECT_EQ(VerifyBlob(blob.bytes).status().message(),
              "blob: format version " + std::to_string(version) + ", this build reads 1 to 3");
  }
}

TEST(BlobFormat, HexExampleOfTheDocumentIsWhatTheEncoderWrites) {
  const SampleBlob blob = MakeSampleBlob();
  EXPECT_TRUE(DocumentedBytes("## The blob, version 2", blob.bytes.size()) == blob.bytes);
}

}  // namespace
}  // namespace promptcache
