// Commits that are made durable together, of which one goes wrong.
#include "cachestore/disk/commit_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "cachestore/disk/disk_core.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

class CommitQueueTest : public ::testing::Test {
 protected:
  // Written whole and not committed.
  std::unique_ptr<BlobWriter> Written(uint32_t seed) {
    const SampleBlob blob = MakeSampleBlob({.seed = seed});
    auto writer = internal::MakeDiskWriter(core_, {blob.key, blob.bytes.size()}).value();
    EXPECT_TRUE(writer->Append(blob.bytes).ok());
    return writer;
  }
  bool Has(uint32_t seed) {
    const UnitKey key = MakeSampleBlob({.seed = seed}).key;
    return core_->table().Contains({&key, 1})[0];
  }

  TempDir dir_;
  // What a commit asks first; the thread that asks is the one that writes.
  std::function<void()> on_write_ = [] {};
  const DiskStoreOptions options_{.directory = dir_.Sub("store"), .min_free_bytes = 8};
  const std::shared_ptr<internal::DiskCore> core_ = std::make_shared<internal::DiskCore>(
      internal::Database::Open(
          {.directory = options_.directory,
           .min_free_bytes = 1,
           .environment = std::make_shared<internal::DiskEnvironment>(internal::DiskEnvironment{
               .free_bytes = [this](const std::string&) -> Result<uint64_t> {
                 on_write_();
                 return uint64_t{1} << 40;
               }})})
          .value(),
      options_);
};

TEST_F(CommitQueueTest, AnExceptionEndsItsCommitAndLaterOnesGoOn) {
  auto writer = Written(1);
  on_write_ = [] { throw std::runtime_error("out of luck"); };
  const Status cut = writer->Commit();
  EXPECT_EQ(cut.code(), Code::kInternal);
  EXPECT_THAT(cut.message(), HasSubstr("out of luck"));
  writer.reset();
  on_write_ = [] {};
  EXPECT_FALSE(Has(1));
  EXPECT_EQ(core_->table().stats().bytes, 0u);
  for (const uint32_t seed : {1u, 2u}) {
    EXPECT_TRUE(Written(seed)->Commit().ok());
    EXPECT_TRUE(Has(seed));
  }
}

TEST_F(CommitQueueTest, OneBadFileFailsItsOwnCommitOnly) {
  std::vector<std::unique_ptr<BlobWriter>> writers;
  for (uint32_t seed = 1; seed <= 4; ++seed) writers.push_back(Written(seed));
  Gate gate;
  gate.Close();
  on_write_ = [&] { gate.Pass(); };
  std::vector<Status> results(writers.size());
  std::vector<std::jthread> threads;
  const auto commit = [&](size_t i) {
    threads.emplace_back([&, i] { results[i] = writers[i]->Commit(); });
  };
  commit(0);
  while (!gate.Occupied()) std::this_thread::yield();
  for (const size_t i : {1, 2, 3}) commit(i);
  while (core_->commits().waiting() < 3) std::this_thread::yield();
  // Of the group that comes next; whole files, but one.
  std::filesystem::resize_file(core_->database()->IncomingPath(3), 10);
  gate.Open();
  threads.clear();
  for (const size_t i : {0, 1, 2, 3}) {
    EXPECT_EQ(results[i].ok(), i != 2) << results[i].ToString();
    EXPECT_EQ(Has(static_cast<uint32_t>(i + 1)), i != 2);
  }
  on_write_ = [] {};
  EXPECT_TRUE(Written(3)->Commit().ok());
}

}  // namespace
}  // namespace promptcache::testing
