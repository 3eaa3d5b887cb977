#include "common/formats/digest_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "common/hash.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000'000'000;

std::string HexOf(const std::string& text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  return Blake2b().AddBytes({bytes, text.size()}).Finish().ToHex();
}

class DigestRecordTest : public ::testing::Test {
 protected:
  void SetUp() override { Write(path_, "weights"); }

  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  // As asked `age` after the file was last changed.
  Result<std::string> Ask(DigestSource source = DigestSource::kCached, int64_t age = kHour) {
    const auto file = MappedFile::Open(path_);
    if (!file.ok()) return file.status();
    hashed_ = 0;
    return FileDigest(**file, source, (*file)->stamp().changed_ns + age,
                      [this](uint64_t done) { hashed_ = done; });
  }
  void ExpectHashed() {
    const auto digest = Ask();
    ASSERT_TRUE(digest.ok()) << digest.status().ToString();
    EXPECT_EQ(*digest, HexOf(Read(path_)));
    EXPECT_GT(hashed_, 0u);
  }

  TempDir folder_;
  const std::string path_ = folder_.Sub("model.gguf");
  const std::string record_ = DigestRecordPath(path_);
  uint64_t hashed_ = 0;
};

TEST_F(DigestRecordTest, TheSecondTimeNothingIsHashed) {
  ExpectHashed();
  EXPECT_EQ(hashed_, 7u);
  const auto again = Ask();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, HexOf("weights"));
  EXPECT_EQ(hashed_, 0u);
}

TEST_F(DigestRecordTest, TheRecordIsAsItIsDescribed) {
  const FileStamp stamp{.size = 101, .modified_ns = 7, .changed_ns = 8, .inode = 9, .device = 10};
  EXPECT_EQ(DigestRecordText(stamp, std::string(64, 'a')),
            "promptcache-digest 1\nsize 101\nmodified_ns 7\nchanged_ns 8\nfile 10 9\nblake2b-256 " +
                std::string(64, 'a') + "\ncheck 87ad9ef18edb99c9\n");
}

TEST_F(DigestRecordTest, VerifyingHashesAgainAndRenewsTheRecord) {
  ExpectHashed();
  const std::string right = Read(record_);
  const auto stamp = StampOf(path_);
  ASSERT_TRUE(stamp.ok());
  Write(record_, DigestRecordText(*stamp, std::string(64, 'a')));
  EXPECT_EQ(*Ask(), std::string(64, 'a'));  // whoever writes the record decides
  EXPECT_EQ(*Ask(DigestSource::kVerified), HexOf("weights"));
  EXPECT_EQ(Read(record_), right);
}

TEST_F(DigestRecordTest, OtherBytesOfTheSameSizeAndTimeAreHashed) {
  ExpectHashed();
  const auto time = fs::last_write_time(path_);
  const FileStamp before = *StampOf(path_);
  // The clock of a file system may stand still between two writes.
  while (StampOf(path_)->changed_ns == before.changed_ns) Write(path_, "WEIGHTS");
  fs::last_write_time(path_, time);
  EXPECT_EQ(StampOf(path_)->modified_ns, before.modified_ns);
  ExpectHashed();
  EXPECT_EQ(*Ask(), HexOf("WEIGHTS"));
}

TEST_F(DigestRecordTest, AnotherFileUnderTheNameIsHashed) {
  ExpectHashed();
  const auto time = fs::last_write_time(path_);
  Write(folder_.Sub("other"), "another");
  fs::last_write_time(folder_.Sub("other"), time);
  fs::rename(folder_.Sub("other"), path_);
  ExpectHashed();
}

TEST_F(DigestRecordTest, AFileChangedAMomentAgoGetsNoRecord) {
  ASSERT_TRUE(Ask(DigestSource::kCached, 1'000'000'000).ok());
  EXPECT_FALSE(fs::exists(record_));
}

// The bytes at hand are no longer those of the name: neither digest would be right.
TEST_F(DigestRecordTest, AFileReplacedSinceItWasMappedIsUnavailable) {
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok());
  Write(folder_.Sub("other"), "another");
  fs::rename(folder_.Sub("other"), path_);
  ASSERT_TRUE(Ask().ok());
  const Status fault =
      FileDigest(**file, DigestSource::kCached, (*file)->stamp().changed_ns + kHour, nullptr)
          .status();
  EXPECT_EQ(fault.code(), Code::kUnavailable);
  EXPECT_THAT(fault.message(), HasSubstr(path_));
}

TEST_F(DigestRecordTest, AFileChangedWhileItIsHashedIsUnavailable) {
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok());
  const auto digest =
      FileDigest(**file, DigestSource::kVerified, (*file)->stamp().changed_ns + kHour,
                 [&](uint64_t /*done*/) { Write(path_, "weights, and more"); });
  EXPECT_EQ(digest.status().code(), Code::kUnavailable);
  EXPECT_FALSE(fs::exists(record_));
}

TEST_F(DigestRecordTest, DamagedRecordsDoNotCount) {
  ExpectHashed();
  const std::string right = Read(record_);
  for (size_t i = 0; i < right.size(); ++i) {
    std::string damaged = right;
    damaged[i] = damaged[i] == 'a' ? 'b' : 'a';
    Write(record_, damaged);
    ExpectHashed();
  }
  for (const std::string& other :
       {std::string(), right.substr(0, right.size() - 1), right + "x", std::string(1 << 20, 'a')}) {
    Write(record_, other);
    ExpectHashed();
  }
  EXPECT_EQ(Read(record_), right);
}

TEST_F(DigestRecordTest, RecordsThatAreNoFilesDoNotCount) {
  ExpectHashed();
  fs::rename(record_, folder_.Sub("elsewhere"));
  fs::create_symlink(folder_.Sub("elsewhere"), record_);
  ExpectHashed();
  fs::remove(record_);
  ASSERT_EQ(mkfifo(record_.c_str(), 0600), 0);
  ExpectHashed();
  fs::remove(record_);
  fs::create_directories(record_ + "/more");
  ExpectHashed();  // cannot be replaced either, which is no error
}

TEST_F(DigestRecordTest, NothingElseStaysBeside) {
  ExpectHashed();
  fs::remove(record_);
  fs::create_directories(record_ + "/more");
  ExpectHashed();
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_.path())) ++entries;
  EXPECT_EQ(entries, 2u);
}

}  // namespace
}  // namespace promptcache::testing
