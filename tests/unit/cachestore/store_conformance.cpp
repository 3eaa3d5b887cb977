#include "tests/unit/cachestore/store_conformance.h"

#include <atomic>
#include <set>
#include <thread>

#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

namespace {

TEST_P(StoreConformance, ReferencesThatAreTooLargeAreRefused) {
  const SampleBlob blob = MakeSampleBlob({.seed = 77});
  const Import import{{.schema = "s", .version = "v", .module = std::string(40'000, 'm')}, {}};
  const PutRequest put{.key = blob.key, .bytes = blob.bytes.size(), .imports = {import}};
  EXPECT_EQ(blobs().StartPut(put).status().code(), Code::kInvalidArgument);
  const UnitImport told{blob.key, import};
  EXPECT_EQ(blobs().RecordImports({&told, 1}).code(), Code::kInvalidArgument);
}

TEST_P(StoreConformance, CommittedBlobReadsBackBitForBit) {
  for (const SampleBlob& blob : {MakeSampleBlob(), MakeLargeBlob(2, 5 << 20)}) {
    ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
    EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
  }
}

TEST_P(StoreConformance, PiecesOfAnySizeGiveTheSameBlob) {
  uint32_t seed = 10;
  for (const size_t piece : {1000u, 65'537u, 1u << 20, (1u << 20) + 1, 3u << 20}) {
    const SampleBlob blob = MakeLargeBlob(++seed, 3 << 20);
    ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes, piece).ok()) << piece;
    EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes) << piece;
  }
}

TEST_P(StoreConformance, AnyRangeCanBeRead) {
  const SampleBlob blob = MakeLargeBlob(1, 3 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const auto reader = blobs().Open(blob.key).value();
  ASSERT_EQ(reader->size(), blob.bytes.size());
  const uint64_t mib = 1 << 20;
  const uint64_t offsets[] = {0, 1, 4095, mib - 1, mib, mib + 1, 2 * mib + 17};
  for (const uint64_t offset : offsets) {
    for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{100}, mib, mib + 3}) {
      std::vector<uint8_t> out(std::min(length, blob.bytes.size() - offset));
      ASSERT_TRUE(reader->Read(offset, out).ok());
      EXPECT_TRUE(std::equal(out.begin(), out.end(), blob.bytes.begin() + ptrdiff_t(offset)));
    }
  }
}

TEST_P(StoreConformance, PinnedReadsCoverTheBlob) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  auto reader = blobs().Open(blob.key).value();
  std::vector<PinnedBytes> parts;
  for (uint64_t at = 0; at < reader->size();) {
    parts.push_back(reader->ReadPinned(at, 300'000).value());
    ASSERT_GT(parts.back().bytes.size(), 0u);
    ASSERT_LE(parts.back().bytes.size(), 300'000u);
    at += parts.back().bytes.size();
  }
  EXPECT_EQ(reader->ReadPinned(reader->size(), 1).status().code(), Code::kInvalidArgument);
  reader.reset();
  std::vector<uint8_t> joined;
  for (const auto& part : parts) joined.insert(joined.end(), part.bytes.begin(), part.bytes.end());
  EXPECT_TRUE(joined == blob.bytes);
}

TEST_P(StoreConformance, UncheckedReadsCoverTheBlobAndHaveTheirHash) {
  const SampleBlob blob = MakeLargeBlob(1, 5 << 19);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  auto reader = blobs().Open(blob.key).value();
  std::vector<UncheckedBytes> parts;
  for (uint64_t at = 0; at < reader->size(); at = parts.back().offset + parts.back().bytes.size()) {
    parts.push_back(reader->ReadUnchecked(at).value());
    const UncheckedBytes& part = parts.back();
    ASSERT_LE(part.offset, at);
    ASSERT_GT(part.bytes.size(), at - part.offset);
    ASSERT_LE(part.bytes.size(), BlobReader::kMaxUncheckedBytes);
  }
  EXPECT_EQ(reader->ReadUnchecked(reader->size()).status().code(), Code::kInvalidArgument);
  reader.reset();
  // Nobody cuts a file here.
  for (const UncheckedBytes& part : parts) {
    EXPECT_TRUE(std::equal(part.bytes.begin(), part.bytes.end(),
                           blob.bytes.begin() + ptrdiff_t(part.offset)));
    EXPECT_EQ(part.hash, Xxh3_128(part.bytes));
  }
  EXPECT_EQ(parts.back().offset + parts.back().bytes.size(), blob.bytes.size());
}

TEST_P(StoreConformance, ReadPastTheEndIsRefused) {
  const SampleBlob blob = MakeSampleBlob();
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const auto reader = blobs().Open(blob.key).value();
  std::vector<uint8_t> out(2);
  for (const uint64_t offset : {reader->size() - 1, reader->size(), ~uint64_t{0}}) {
    EXPECT_EQ(reader->Read(offset, out).code(), Code::kInvalidArgument);
  }
}

TEST_P(StoreConformance, UnknownKeyIsNotFound) {
  EXPECT_EQ(blobs().Open(MakeSampleBlob().key).status().code(), Code::kNotFound);
}

TEST_P(StoreConformance, UncommittedPutIsInvisibleAndLeavesNothing) {
  const SampleBlob blob = MakeLargeBlob(1, 3 << 20);
  auto writer = blobs().StartPut({blob.key, blob.bytes.size()}).value();
  ASSERT_TRUE(writer->Append(blob.bytes).ok());
  EXPECT_EQ(blobs().Open(blob.key).status().code(), Code::kNotFound);
  EXPECT_FALSE(blobs().Contains({&blob.key, 1}).value()[0]);
  writer.reset();
  EXPECT_EQ(blobs().Open(blob.key).status().code(), Code::kNotFound);
  EXPECT_TRUE(ListAll(blobs()).value().empty());
  ASSERT_TRUE(PutWhenFree(blobs(), blob.key, blob.bytes).ok());
  EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
}

TEST_P(StoreConformance, CommitRefusesDamagedBytesAndCountsThem) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  for (const size_t at : {size_t{0}, size_t{70}, size_t{4000}, blob.bytes.size() - 1}) {
    std::vector<uint8_t> damaged = blob.bytes;
    damaged[at] ^= 0x10;
    EXPECT_EQ(PutBytes(blobs(), blob.key, damaged).code(), Code::kDataLoss) << at;
    EXPECT_EQ(blobs().Open(blob.key).status().code(), Code::kNotFound);
  }
  EXPECT_EQ(blobs().Stats().value().corruptions, 4u);
}

TEST_P(StoreConformance, CommitRefusesMissingBytes) {
  const SampleBlob blob = MakeSampleBlob();
  const auto writer = blobs().StartPut({blob.key, blob.bytes.size()}).value();
  ASSERT_TRUE(writer->Append(std::span(blob.bytes).first(blob.bytes.size() - 1)).ok());
  EXPECT_EQ(writer->Commit().code(), Code::kInvalidArgument);
  EXPECT_EQ(blobs().Open(blob.key).status().code(), Code::kNotFound);
}

TEST_P(StoreConformance, SecondCommitIsRefusedAndLeavesTheBlobAlone) {
  for (const SampleBlob& blob : {MakeSampleBlob(), MakeLargeBlob(2, 3 << 20)}) {
    const auto writer = blobs().StartPut({blob.key, blob.bytes.size()}).value();
    ASSERT_TRUE(writer->Append(blob.bytes).ok());
    ASSERT_TRUE(writer->Commit().ok());
    EXPECT_EQ(writer->Commit().code(), Code::kFailedPrecondition);
    EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
  }
}

TEST_P(StoreConformance, MoreBytesThanAnnouncedAreRefused) {
  const SampleBlob blob = MakeSampleBlob();
  const auto writer = blobs().StartPut({blob.key, 100}).value();
  ASSERT_TRUE(writer->Append(std::span(blob.bytes).first(100)).ok());
  EXPECT_EQ(writer->Append(std::span(blob.bytes).first(1)).code(), Code::kInvalidArgument);
}

TEST_P(StoreConformance, BlobOverTheLimitIsRefused) {
  const UnitKey key = MakeSampleBlob().key;
  EXPECT_EQ(blobs().StartPut({key, kMaxBlobBytes + 1}).status().code(), Code::kResourceExhausted);
  EXPECT_EQ(blobs().StartPut({key, 0}).status().code(), Code::kInvalidArgument);
}

TEST_P(StoreConformance, OneWriterOfAKeyAtATime) {
  const SampleBlob blob = MakeLargeBlob(2, 3 << 20);
  auto first = blobs().StartPut({blob.key, blob.bytes.size()}).value();
  EXPECT_EQ(blobs().StartPut({blob.key, 100}).status().code(), Code::kBusy);
  ASSERT_TRUE(first->Append(blob.bytes).ok());
  EXPECT_EQ(blobs().StartPut({blob.key, 100}).status().code(), Code::kBusy);
  ASSERT_TRUE(first->Commit().ok());
  EXPECT_EQ(blobs().StartPut({blob.key, 100}).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(ListAll(blobs()).value().size(), 1u);
  EXPECT_EQ(blobs().Stats().value().puts, 1u);
}

TEST_P(StoreConformance, AWriterThatGivesUpMakesWayForTheNext) {
  const SampleBlob blob = MakeLargeBlob(2, 3 << 20);
  auto first = blobs().StartPut({blob.key, blob.bytes.size()}).value();
  ASSERT_TRUE(first->Append(std::span(blob.bytes).first(2 << 20)).ok());
  first.reset();
  ASSERT_TRUE(PutWhenFree(blobs(), blob.key, blob.bytes).ok());
  EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
}

TEST_P(StoreConformance, ListTellsWhatTheHeaderSays) {
  const SampleBlob a = MakeSampleBlob({.seed = 1});
  const SampleBlob b = MakeLargeBlob(2, 2 << 20);
  ASSERT_TRUE(PutBytes(blobs(), a.key, a.bytes).ok());
  ASSERT_TRUE(PutBytes(blobs(), b.key, b.bytes).ok());
  const auto list = ListAll(blobs()).value();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_LT(list[0].key, list[1].key);
  for (const SampleBlob* blob : {&a, &b}) {
    const BlobInfo& info = list[0].key == blob->key ? list[0] : list[1];
    EXPECT_EQ(info.key, blob->key);
    EXPECT_EQ(info.recipe, blob->header.recipe_digest);
    EXPECT_EQ(info.identity, blob->header.identity);
    EXPECT_EQ(info.mode, EncodingMode::kAnchored);
    EXPECT_EQ(info.bytes, blob->bytes.size());
    EXPECT_EQ(info.tokens, blob->header.shape.tokens);
    EXPECT_EQ(info.context_tokens, 2u);
    EXPECT_EQ(info.encode_seconds, 0.25);
    EXPECT_GT(info.committed_unix_ms, 1'600'000'000'000u);
  }
}

TEST_P(StoreConformance, PagesOfAListCoverItOnce) {
  std::set<UnitKey> keys;
  for (uint32_t seed = 1; seed <= 7; ++seed) {
    const SampleBlob blob = MakeSampleBlob({.seed = seed});
    ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
    keys.insert(blob.key);
  }
  std::vector<UnitKey> listed;
  BlobPageRequest request{.limit = 3};
  for (bool more = true; more;) {
    const BlobPage page = blobs().List(request).value();
    ASSERT_LE(page.blobs.size(), 3u);
    ASSERT_FALSE(page.blobs.empty());
    for (const BlobInfo& info : page.blobs) listed.push_back(info.key);
    request.after = listed.back();
    more = page.more;
  }
  EXPECT_EQ(listed, std::vector<UnitKey>(keys.begin(), keys.end()));
}

TEST_P(StoreConformance, InspectingReadsTheSameAndCountsNothing) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const StoreStats before = blobs().Stats().value();
  const auto reader = blobs().Inspect(blob.key).value();
  std::vector<uint8_t> out(reader->size());
  ASSERT_TRUE(reader->Read(0, out).ok());
  EXPECT_TRUE(out == blob.bytes);
  EXPECT_EQ(blobs().Inspect(UnitKey{}).status().code(), Code::kNotFound);
  EXPECT_EQ(blobs().Stats().value().gets, before.gets);
}

TEST_P(StoreConformance, ContainsAnswersEachKey) {
  const SampleBlob blob = MakeSampleBlob();
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const UnitKey keys[] = {UnitKey{}, blob.key, MakeSampleBlob({.seed = 2}).key};
  EXPECT_EQ(blobs().Contains(keys).value(), (std::vector<bool>{false, true, false}));
  EXPECT_TRUE(blobs().Contains({}).value().empty());
}

TEST_P(StoreConformance, RemovedBlobIsGoneAndCanBePutAgain) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  ASSERT_TRUE(blobs().Remove(blob.key).ok());
  EXPECT_TRUE(blobs().Remove(blob.key).ok());
  EXPECT_EQ(blobs().Open(blob.key).status().code(), Code::kNotFound);
  EXPECT_TRUE(ListAll(blobs()).value().empty());
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
}

TEST_P(StoreConformance, OpenReaderOutlivesRemoval) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  const auto reader = blobs().Open(blob.key).value();
  ASSERT_TRUE(blobs().Remove(blob.key).ok());
  std::vector<uint8_t> out(reader->size());
  ASSERT_TRUE(reader->Read(0, out).ok());
  EXPECT_TRUE(out == blob.bytes);
}

TEST_P(StoreConformance, StatsCountWhatHappened) {
  const SampleBlob a = MakeSampleBlob({.seed = 1});
  const SampleBlob b = MakeSampleBlob({.seed = 2});
  ASSERT_TRUE(PutBytes(blobs(), a.key, a.bytes).ok());
  ASSERT_TRUE(PutBytes(blobs(), b.key, b.bytes).ok());
  ASSERT_TRUE(blobs().Open(a.key).ok());
  ASSERT_FALSE(blobs().Open(UnitKey{}).ok());
  ASSERT_TRUE(blobs().Remove(b.key).ok());
  const StoreStats stats = blobs().Stats().value();
  EXPECT_EQ(stats.blobs, 1u);
  EXPECT_EQ(stats.bytes, a.bytes.size());
  EXPECT_EQ(stats.puts, 2u);
  EXPECT_EQ(stats.gets, 2u);
  EXPECT_EQ(stats.hits, 1u);
  EXPECT_EQ(stats.corruptions, 0u);
  EXPECT_EQ(stats.payload_bytes, a.bytes.size() + b.bytes.size());
  EXPECT_EQ(stats.read_only, "");
}

TEST_P(StoreConformance, ManyThreadsPutAndReadAtOnce) {
  constexpr uint32_t kThreads = 4;
  std::vector<SampleBlob> samples;
  for (uint32_t i = 0; i < kThreads; ++i) samples.push_back(MakeLargeBlob(i, (i + 1) << 20));
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (uint32_t j = 0; j < kThreads; ++j) {
        const SampleBlob& blob = samples[(i + j) % kThreads];
        const Status put = PutWhenFree(blobs(), blob.key, blob.bytes);
        if (!put.ok() && put.code() != Code::kAlreadyExists) continue;
        const auto bytes = GetBytes(blobs(), blob.key);
        if (bytes.ok() && *bytes == blob.bytes) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, int{kThreads * kThreads});
  EXPECT_EQ(blobs().Stats().value().blobs, kThreads);
}

TEST_P(StoreConformance, HelpersWriteAndReadALayerAtATime) {
  const SampleBlob blob = MakeLargeBlob(1, 2 << 20);
  const auto layers = blob.LayerSpans();
  EXPECT_EQ(WriteBlob(blobs(), {blob.key}, blob.header, layers).value(), blob.bytes.size());
  EXPECT_EQ(WriteBlob(blobs(), {blob.key}, blob.header, layers).value(), blob.bytes.size());
  const auto reader = blobs().Open(blob.key).value();
  EXPECT_EQ(ReadBlobHeader(*reader).value(), blob.header);
  std::vector<uint8_t> layer(blob.header.segments[3].length);
  ASSERT_TRUE(reader->Read(blob.header.segments[3].offset, layer).ok());
  EXPECT_TRUE(VerifySegment(blob.header, 3, layer).ok());
}

}  // namespace
}  // namespace promptcache::testing
