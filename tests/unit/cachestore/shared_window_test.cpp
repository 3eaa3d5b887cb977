#include "cachestore/service/shared_window.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_store.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

TEST(SharedWindow, WhatOneEndWritesTheOtherSees) {
  const auto window = SharedWindow::Create(100'000).value();
  const auto writer = WindowWriter::Open(window->name()).value();
  EXPECT_EQ(writer->size(), 100'000u);
  const std::vector<uint8_t> bytes = {1, 2, 3};
  ASSERT_TRUE(writer->Write(99'997, bytes).ok());
  EXPECT_EQ(window->bytes()[99'999], 3);
  EXPECT_EQ(writer->Write(99'998, bytes).code(), Code::kUnavailable);
  EXPECT_EQ(writer->Write(~uint64_t{0}, bytes).code(), Code::kUnavailable);
}

TEST(SharedWindow, ItGoesWithItsReader) {
  auto window = SharedWindow::Create(4096).value();
  const std::string name = window->name();
  const auto writer = WindowWriter::Open(name).value();
  window.reset();
  EXPECT_EQ(WindowWriter::Open(name).status().code(), Code::kNotFound);
  EXPECT_TRUE(writer->Write(0, std::vector<uint8_t>{7}).ok());
}

TEST(SharedWindow, NamesOfOtherThingsAreRefused) {
  const std::string random = "promptcache-0123456789abcdef0123456789abcdef";
  for (const std::string& name :
       {std::string(), std::string("/"), "//" + random, "1/" + random, "/etc/passwd/" + random,
        "1/2/" + random + "0", "1/../" + random, "-1/2/" + random, std::string("1/2/promptcache-"),
        "99999999999/2/" + random}) {
    EXPECT_EQ(WindowWriter::Open(name).status().code(), Code::kInvalidArgument) << name;
  }
}

TEST(SharedWindow, AnotherFileUnderTheSameNumberIsNotIt) {
  const auto window = SharedWindow::Create(4096).value();
  std::string name = window->name();
  name.back() = name.back() == '0' ? '1' : '0';
  EXPECT_EQ(WindowWriter::Open(name).status().code(), Code::kNotFound);
  const std::string random = name.substr(name.rfind('/'));
  EXPECT_EQ(WindowWriter::Open(std::to_string(::getpid()) + "/0" + random).status().code(),
            Code::kNotFound);
}

// A peer that cuts its window short while the server writes loses bytes, and nobody else does.
TEST(SharedWindow, CuttingItShortHurtsNoWriter) {
  const auto window = SharedWindow::Create(1 << 20).value();
  const auto writer = WindowWriter::Open(window->name()).value();
  const std::string& name = window->name();
  const size_t first = name.find('/');
  const int file = std::stoi(name.substr(first + 1));
  ASSERT_EQ(::ftruncate(file, 0), 0);
  EXPECT_TRUE(writer->Write(0, std::vector<uint8_t>(1 << 20)).ok());
}

// Streams would come first.
RemoteStoreOptions WindowsAlone() {
  RemoteStoreOptions options = PatientRemote();
  options.streams = BlobStreams::kNever;
  return options;
}

class WindowedStore : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PutBytes(memory_, blob_.key, blob_.bytes).ok()); }

  MemoryBlobStore memory_;
  const SampleBlob blob_ = MakeLargeBlob(3, 5 << 20);
};

TEST_F(WindowedStore, BytesOfAServerOnThisMachineComeThroughMemory) {
  ServedStore served(memory_, nullptr, {.endpoint = "tcp://127.0.0.1:*"});
  RemoteStoreOptions options = WindowsAlone();
  options.window_bytes = 1'500'000;  // no multiple of a chunk, and smaller than the blob
  const auto remote = served.Connect(options);
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().window_bytes, blob_.bytes.size());
  EXPECT_EQ(remote->reads().message_bytes, 0u);
  EXPECT_EQ(remote->reads().copied_bytes, blob_.bytes.size());
}

TEST_F(WindowedStore, WindowOverTheServersCreditIsNotUsed) {
  ServedStore served(memory_, nullptr,
                     {.endpoint = "tcp://127.0.0.1:*", .max_credit_bytes = 1 << 20});
  RemoteStoreOptions options = WindowsAlone();
  for (const uint64_t window_bytes : {1 << 20, (1 << 20) + 1}) {
    options.window_bytes = window_bytes;
    const auto remote = served.Connect(options);
    EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
    const bool is_used = window_bytes == 1 << 20;
    EXPECT_EQ(remote->reads().window_bytes, is_used ? blob_.bytes.size() : 0);
    EXPECT_EQ(remote->reads().message_bytes, is_used ? 0 : blob_.bytes.size());
  }
}

TEST_F(WindowedStore, InOneProcessMessagesShareTheMemoryAlready) {
  ServedStore served(memory_, nullptr, {.endpoint = "inproc://store"});
  const auto remote = served.Connect(WindowsAlone());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().message_bytes, blob_.bytes.size());
}

TEST_F(WindowedStore, JumpsAndManyReadersGetWhatIsTheirs) {
  ServedStore served(memory_, nullptr, {.endpoint = "tcp://127.0.0.1:*"});
  const auto remote = served.Connect(WindowsAlone());
  ExpectReadersJump(*remote, blob_);
}

}  // namespace
}  // namespace promptcache::testing
