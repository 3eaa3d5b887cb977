// The corruption matrix: every file of a store is damaged at seeded places. Whatever is read
// afterwards is right or a miss that was detected, and a check of the whole store names every blob
// that was hit.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "cachestore/disk/open.h"
#include "cachestore/format/blob.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), ptrdiff_t(bytes.size()));
}

enum class Damage { kFlip, kZero, kTruncate, kDuplicate, kSwap };

// Changes the bytes, at least one of them where that is possible.
void Apply(Damage damage, uint64_t random, Bytes& bytes) {
  constexpr size_t kBlock = 512;
  if (bytes.empty()) return;
  const size_t at = random % bytes.size();
  const size_t length = std::min(kBlock, bytes.size() - at);
  const auto begin = bytes.begin() + ptrdiff_t(at);
  switch (damage) {
    case Damage::kFlip:
      bytes[at] ^= static_cast<uint8_t>(1 << (random >> 32) % 8);
      return;
    case Damage::kZero:
      std::fill(begin, begin + ptrdiff_t(length), uint8_t{0});
      return;
    case Damage::kTruncate:
      bytes.resize(at);
      return;
    case Damage::kDuplicate: {  // the block comes twice, and what follows moves up
      const Bytes block(begin, begin + ptrdiff_t(length));
      bytes.insert(begin, block.begin(), block.end());
      return;
    }
    case Damage::kSwap: {  // with a block somewhere else
      const size_t other = (random >> 20) % bytes.size();
      for (size_t i = 0; i < std::min(length, bytes.size() - other); ++i) {
        std::swap(bytes[at + i], bytes[other + i]);
      }
      return;
    }
  }
}

class Corruption : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    for (uint32_t seed = 1; seed <= 5; ++seed) samples_.push_back(MakeSampleBlob({.seed = seed}));
    samples_.push_back(MakeLargeBlob(6, (2 << 20) + 5000));
    const std::string directory = dir_.Sub("prepared");
    {
      const auto store = OpenDiskStore({.directory = directory}).value();
      for (const SampleBlob& sample : samples_) {
        ASSERT_TRUE(WriteBlob(store->blobs(), {sample.key, {{{.schema = "s"}, {}}}}, sample.header,
                              sample.LayerSpans())
                        .ok());
      }
      ASSERT_TRUE(store->meta().CompareAndSet("schema/s/1", 0, "text").ok());
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      const std::string name = entry.path().filename();
      // RocksDB's own diary, and the lock, hold nothing that is read.
      if (!entry.is_regular_file() || name == "LOG" || name == "LOCK") continue;
      files_[name] = ReadFile(entry.path());
    }
  }

  // Opens what is left and reads everything.
  void ExpectRightOrMissing(const std::string& directory) {
    const auto opened = OpenDiskStore({.directory = directory});
    // It may be of no version that is known any more; then that is said, and nothing is read.
    if (!opened.ok()) {
      EXPECT_EQ(opened.status().code(), Code::kFailedPrecondition) << opened.status().ToString();
      return;
    }
    DiskStore& store = **opened;
    const bool started_anew = !store.report().quarantined_to.empty();
    const std::set<UnitKey> named = NamedByAFullCheck(store);
    for (const SampleBlob& sample : samples_) {
      const auto bytes = GetBytes(store.blobs(), sample.key);
      if (bytes.ok()) {
        EXPECT_TRUE(*bytes == sample.bytes) << "wrong bytes of " << sample.key.ToHex();
        EXPECT_FALSE(named.contains(sample.key)) << "named without reason";
        continue;
      }
      EXPECT_TRUE(bytes.status().code() == Code::kDataLoss ||
                  bytes.status().code() == Code::kNotFound)
          << bytes.status().ToString();
      // What opening dropped is gone from every list; what a read finds, the check has found.
      EXPECT_TRUE(bytes.status().code() != Code::kDataLoss || named.contains(sample.key));
    }
    if (!started_anew) {
      const auto record = store.meta().Get("schema/s/1");
      EXPECT_TRUE(!record.ok() || !*record || (*record)->value == "text");
    }
    // And it takes everything again.
    for (const SampleBlob& sample : samples_) {
      const Status put = PutBytes(store.blobs(), sample.key, sample.bytes);
      EXPECT_TRUE(put.ok() || put.code() == Code::kAlreadyExists) << put.ToString();
      EXPECT_TRUE(GetBytes(store.blobs(), sample.key).value() == sample.bytes);
    }
  }

  // As `store verify` does: every byte of every blob is looked at, and nothing is changed.
  static std::set<UnitKey> NamedByAFullCheck(DiskStore& store) {
    std::set<UnitKey> named;
    const std::vector<BlobInfo> listed = ListAll(store.blobs()).value();
    for (const BlobInfo& info : listed) {
      auto reader = store.blobs().Inspect(info.key).value();
      Bytes bytes(reader->size());
      if (!reader->Read(0, bytes).ok() || !VerifyBlob(bytes).ok()) named.insert(info.key);
    }
    return named;
  }

  TempDir dir_;
  std::vector<SampleBlob> samples_;
  std::map<std::string, Bytes> files_;
};

TEST_P(Corruption, ReadsAreRightOrDetectedMisses) {
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()) + 1);
  for (int round = 0; round < PROMPTCACHE_CORRUPTIONS / 5 && !HasFailure(); ++round) {
    auto victim = files_.begin();
    std::advance(victim, random() % files_.size());
    Bytes bytes = victim->second;
    Apply(static_cast<Damage>(GetParam()), random(), bytes);
    const TempDir dir;
    const std::filesystem::path directory = dir.Sub("store");
    std::filesystem::create_directory(directory);
    for (const auto& [name, whole] : files_) {
      WriteFile(directory / name, name == victim->first ? bytes : whole);
    }
    SCOPED_TRACE(victim->first + " round " + std::to_string(round));
    ExpectRightOrMissing(directory);
  }
}

std::string NameOf(const ::testing::TestParamInfo<int>& damage) {
  constexpr const char* kNames[] = {"flip", "zero", "truncate", "duplicate", "swap"};
  return kNames[damage.param];
}

INSTANTIATE_TEST_SUITE_P(Damages, Corruption, ::testing::Range(0, 5), NameOf);

}  // namespace
}  // namespace promptcache::testing
