// The remote store against servers that are slow, that go, and that lie.
#include "cachestore/service/remote_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/disk_damage.h"
#include "tests/unit/cachestore/rogue_store.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_store.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

RemoteStoreOptions WithWindow(uint64_t window_bytes) {
  RemoteStoreOptions options = PatientRemote();
  options.window_bytes = window_bytes;
  return options;
}

class RemoteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PutBytes(memory_, blob_.key, blob_.bytes).ok()); }

  const SampleBlob blob_ = MakeLargeBlob(1, 6 << 20);
  TempDir dir_;
  MemoryBlobStore memory_;
  MemoryMetaStore meta_;
};

TEST_F(RemoteStoreTest, ManyReadersWithSmallWindowsAllGetTheirBytes) {
  ServedStore served(memory_, &meta_, {.endpoint = "inproc://store", .chunk_bytes = 100'000});
  const auto remote = served.Connect(WithWindow(150'000));
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto reader = remote->Open(blob_.key);
      if (!reader.ok()) return;
      std::vector<uint8_t> bytes((*reader)->size());
      const uint64_t piece = 10'007 * (i + 1);
      for (uint64_t at = 0; at < bytes.size(); at += piece) {
        const auto part = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
        if (!(*reader)->Read(at, part).ok()) return;
      }
      if (bytes == blob_.bytes) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST_F(RemoteStoreTest, ReaderThatDoesNotReadLeavesTheOthersAlone) {
  ServedStore served(memory_, &meta_, {.endpoint = "inproc://store", .threads = 1});
  const auto remote = served.Connect(WithWindow(1 << 20));
  std::vector<std::unique_ptr<BlobReader>> idle;
  for (int i = 0; i < 50; ++i) idle.push_back(remote->Open(blob_.key).value());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  std::vector<uint8_t> bytes(blob_.bytes.size());
  for (const auto& reader : idle) {
    ASSERT_TRUE(reader->Read(0, bytes).ok());
    EXPECT_TRUE(bytes == blob_.bytes);
  }
}

TEST_F(RemoteStoreTest, JumpInABlobThatWasRemovedMeanwhileIsNotFound) {
  ServedStore served(memory_, &meta_, {.endpoint = "inproc://store"});
  const auto remote = served.Connect(WithWindow(1 << 20));
  const auto reader = remote->Open(blob_.key).value();
  ASSERT_TRUE(remote->Remove(blob_.key).ok());
  std::vector<uint8_t> bytes(100);
  EXPECT_EQ(reader->Read(4 << 20, bytes).code(), Code::kNotFound);
}

TEST_F(RemoteStoreTest, ReportOfDamageOnTheServersDiskDropsThatBlobOnly) {
  const std::string directory = dir_.Sub("store");
  const SampleBlob sound = MakeSampleBlob({.seed = 9});
  {
    const auto disk = OpenDiskStore({.directory = directory}).value();
    for (const SampleBlob* one : {&blob_, &sound}) {
      ASSERT_TRUE(PutBytes(disk->blobs(), one->key, one->bytes).ok());
    }
  }
  DamageChunk(directory, blob_.key, 3);
  const auto disk = OpenDiskStore({.directory = directory}).value();
  ServedStore served(disk->blobs(), nullptr, {.endpoint = "inproc://store"});
  const auto remote = served.Connect(PatientRemote());
  EXPECT_EQ(remote->ReportCorrupt(sound.key).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(remote->ReportCorrupt(blob_.key).ok());
  EXPECT_EQ(remote->Stats().value().corruptions, 1u);
  EXPECT_EQ(remote->Open(blob_.key).status().code(), Code::kNotFound);
  EXPECT_TRUE(GetBytes(*remote, sound.key).value() == sound.bytes);
}

TEST_F(RemoteStoreTest, DamageOnTheServersDiskIsDataLossCountedAndOverwritten) {
  const std::string directory = dir_.Sub("store");
  ASSERT_TRUE(
      PutBytes(OpenDiskStore({.directory = directory}).value()->blobs(), blob_.key, blob_.bytes)
          .ok());
  DamageChunk(directory, blob_.key, 3);
  const auto disk = OpenDiskStore({.directory = directory}).value();
  ServedStore served(disk->blobs(), nullptr, {.endpoint = "inproc://store"});
  const auto remote = served.Connect(PatientRemote());
  const auto damaged = GetBytes(*remote, blob_.key);
  EXPECT_EQ(damaged.status().code(), Code::kDataLoss);
  EXPECT_THAT(damaged.status().message(), HasSubstr("chunk 3"));
  EXPECT_EQ(remote->Stats().value().corruptions, 1u);
  EXPECT_EQ(remote->Open(blob_.key).status().code(), Code::kNotFound);
  ASSERT_TRUE(PutBytes(*remote, blob_.key, blob_.bytes).ok());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
}

TEST_F(RemoteStoreTest, CommittedBlobIsThereAfterTheStoreWasOpenedAnew) {
  const std::string directory = dir_.Sub("store");
  {
    const auto disk = OpenDiskStore({.directory = directory}).value();
    ServedStore served(disk->blobs(), &disk->meta(), {.endpoint = "inproc://store"});
    const auto remote = served.Connect(PatientRemote());
    ASSERT_TRUE(PutBytes(*remote, blob_.key, blob_.bytes).ok());
    ASSERT_TRUE(remote->CompareAndSet("schema/a", 0, "text").ok());
  }
  const auto disk = OpenDiskStore({.directory = directory}).value();
  ServedStore served(disk->blobs(), &disk->meta(), {.endpoint = "inproc://store"});
  const auto remote = served.Connect(PatientRemote());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->Get("schema/a").value()->value, "text");
}

TEST_F(RemoteStoreTest, StoreThatStopsDuringAFetchIsUnavailable) {
  ServedStore served(memory_, &meta_, {.endpoint = "inproc://store", .chunk_bytes = 100'000});
  auto options = WithWindow(200'000);
  options.timeout = std::chrono::seconds(5);
  options.connect_timeout = std::chrono::seconds(5);
  const auto remote = served.Connect(options);
  const auto reader = remote->Open(blob_.key).value();
  std::vector<uint8_t> bytes(blob_.bytes.size());
  ASSERT_TRUE(reader->Read(0, std::span(bytes).first(1000)).ok());
  served.StopServer();
  EXPECT_EQ(reader->Read(1000, std::span(bytes).subspan(1000)).code(), Code::kUnavailable);
}

TEST_F(RemoteStoreTest, StoreThatStopsDuringAPutIsUnavailableAndHasNothing) {
  MemoryBlobStore empty;
  ServedStore served(empty, &meta_, {.endpoint = "inproc://store", .put_window_bytes = 1 << 20});
  auto options = PatientRemote();
  options.timeout = std::chrono::seconds(5);
  options.connect_timeout = std::chrono::seconds(5);
  const auto remote = served.Connect(options);
  const auto writer = remote->StartPut({blob_.key, blob_.bytes.size()}).value();
  ASSERT_TRUE(writer->Append(std::span(blob_.bytes).first(1 << 20)).ok());
  served.StopServer();
  EXPECT_EQ(writer->Append(std::span(blob_.bytes).subspan(1 << 20)).code(), Code::kUnavailable);
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_TRUE(ListAll(empty).value().empty());
}

TEST_F(RemoteStoreTest, ComesBackWithTheStoreAndFailsAtOnceMeanwhile) {
  ReactorThread client;
  const std::string endpoint = "ipc://" + dir_.Sub("socket");
  RemoteStoreOptions options = PatientRemote();
  options.endpoint = endpoint;
  options.connect_timeout = milliseconds(1);
  const auto remote = RemoteStore::Create(client.transport(), options);
  const Status missing = remote->Open(blob_.key).status();
  EXPECT_EQ(missing.code(), Code::kUnavailable);
  EXPECT_THAT(missing.message(), HasSubstr(endpoint));
  for (int round = 0; round < 2; ++round) {
    ServedStore served(memory_, &meta_, {.endpoint = endpoint});
    Status status = missing;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!status.ok() && std::chrono::steady_clock::now() < end) {
      ASSERT_EQ(status.code(), Code::kUnavailable) << status.ToString();
      status = remote->Contains({&blob_.key, 1}).status();
    }
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
}

TEST_F(RemoteStoreTest, EndpointThatCanNeverWorkSaysSo) {
  ReactorThread client;
  RemoteStoreOptions options;
  options.endpoint = "carrier-pigeon://coop";
  const auto remote = RemoteStore::Create(client.transport(), options);
  const Status status = remote->Stats().status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("carrier-pigeon"));
}

TEST(RogueStoreTest, StoreThatNeverAnswersIsUnavailableAfterTheTimeout) {
  RogueStore rogue([](const Message&) { return std::vector<Said>(); });
  RemoteStoreOptions options = PatientRemote();
  options.timeout = milliseconds(20);
  const auto remote = rogue.Connect(options);
  const SampleBlob blob = MakeSampleBlob();
  for (const Status& status :
       {remote->Open(blob.key).status(), remote->StartPut({blob.key, 100}).status(),
        remote->Stats().status(), remote->Remove(blob.key), remote->Get("k").status(),
        remote->CompareAndSet("k", 0, "v").status()}) {
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("does not answer"));
  }
}

struct FetchLie {
  const char* what;
  std::vector<Said> answers;
  Code code;
};

TEST(RogueStoreTest, LiesOfAFetchAreErrors) {
  const Frame ten = Frame::Own(std::vector<uint8_t>(10));
  const FetchLie lies[] = {
      {"no bytes", {{Chunk{0, 100}, {}}}, Code::kUnavailable},
      {"bytes in a window that is none", {{Chunk{0, 100, 10}, {}}}, Code::kUnavailable},
      {"another place", {{Chunk{5, 100}, ten}}, Code::kUnavailable},
      {"a blob smaller than the chunk", {{Chunk{0, 9}, ten}}, Code::kUnavailable},
      {"a blob of nothing", {{Chunk{0, 0}, ten}}, Code::kUnavailable},
      {"another size each time", {{Chunk{0, 100}, ten}, {Chunk{10, 101}, ten}}, Code::kUnavailable},
      {"a gap", {{Chunk{0, 100}, ten}, {Chunk{11, 100}, ten}}, Code::kUnavailable},
      {"an early end", {{Chunk{0, 100}, ten}, {Done{}, {}}}, Code::kDataLoss},
      {"an end without a blob", {{Done{}, {}}}, Code::kDataLoss},
      {"an answer of another kind", {{Reply{}, {}}}, Code::kUnavailable},
      {"an error midway",
       {{Chunk{0, 100}, ten}, {Done{.code = Code::kDataLoss}, {}}},
       Code::kDataLoss}};
  for (const FetchLie& lie : lies) {
    RogueStore rogue([&](const Message& message) {
      return std::holds_alternative<FetchBlob>(message) ? lie.answers : std::vector<Said>();
    });
    const auto remote = rogue.Connect(PatientRemote());
    EXPECT_EQ(GetBytes(*remote, MakeSampleBlob().key).status().code(), lie.code) << lie.what;
  }
}

TEST(RogueStoreTest, FetchThatWasEndedAsIdleGoesOnWhereItWas) {
  const SampleBlob blob = MakeSampleBlob();
  const uint64_t half = blob.bytes.size() / 2;
  RogueStore rogue([&](const Message& message) -> std::vector<Said> {
    const auto* fetch = std::get_if<FetchBlob>(&message);
    if (fetch == nullptr) return {};
    const auto rest = std::span(blob.bytes).subspan(fetch->offset);
    const Chunk chunk{fetch->offset, blob.bytes.size()};
    if (fetch->offset > 0) return {{chunk, Frame::Copy(rest)}};
    return {{chunk, Frame::Copy(rest.first(half))}, {Done{.code = Code::kDeadlineExceeded}, {}}};
  });
  const auto remote = rogue.Connect(PatientRemote());
  EXPECT_TRUE(GetBytes(*remote, blob.key).value() == blob.bytes);
}

TEST(RogueStoreTest, StoreThatSendsMoreThanItWasAskedForIsNotKept) {
  // 200 MiB for a window of 1 MiB, all before the reader reads on.
  const Frame chunk = Frame::Own(std::vector<uint8_t>(1 << 20));
  RogueStore rogue([&](const Message& message) {
    std::vector<Said> said;
    if (std::holds_alternative<PutBlob>(message)) said.push_back({Done{.code = Code::kBusy}, {}});
    if (!std::holds_alternative<FetchBlob>(message)) return said;
    for (uint64_t i = 0; i < 200; ++i) said.push_back({Chunk{i << 20, 200 << 20}, chunk});
    said.push_back({Done{.bytes = 200 << 20}, {}});
    return said;
  });
  const auto remote = rogue.Connect(WithWindow(1 << 20));
  const auto reader = remote->Open(MakeSampleBlob().key);
  Status status = reader.status();  // it may have come to light already
  if (reader.ok()) {
    // The answer to this comes after all of the flood.
    EXPECT_EQ(remote->StartPut({UnitKey{}, 1}).status().code(), Code::kBusy);
    std::vector<uint8_t> bytes(2 << 20);
    status = (*reader)->Read(0, bytes);
  }
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("more than it was asked for"));
}

TEST(RogueStoreTest, LiesOfAPutAreNoSuccess) {
  struct Lie {
    const char* what;
    Message first;
    Message commit;
  };
  const Done committed{.committed = true};
  const Lie lies[] = {{"committed before anything was sent", committed, committed},
                      {"done without being committed", Credit{1 << 20}, Done{}},
                      {"an answer of another kind", Credit{1 << 20}, Reply{}},
                      {"a failure", Credit{1 << 20}, Done{.code = Code::kResourceExhausted}}};
  const SampleBlob blob = MakeSampleBlob();
  for (const Lie& lie : lies) {
    RogueStore rogue([&](const Message& message) {
      if (std::holds_alternative<PutBlob>(message)) return std::vector<Said>{{lie.first, {}}};
      if (std::holds_alternative<PutCommit>(message)) return std::vector<Said>{{lie.commit, {}}};
      return std::vector<Said>();
    });
    const auto remote = rogue.Connect(PatientRemote());
    EXPECT_FALSE(PutBytes(*remote, blob.key, blob.bytes).ok()) << lie.what;
  }
}

TEST(RogueStoreTest, AnswersThatDoNotFitTheQuestionAreErrors) {
  RogueStore rogue([](const Message& message) -> std::vector<Said> {
    if (std::holds_alternative<BlobExists>(message)) return {{BlobExistsReply{{1}}, {}}};
    if (std::holds_alternative<BlobList>(message)) return {{MetaReply{}, {}}};
    if (std::holds_alternative<MetaSet>(message)) return {{MetaReply{}, {}}};
    return {{Reply{}, {}}};
  });
  const auto remote = rogue.Connect(PatientRemote());
  const UnitKey keys[2] = {};
  for (const Status& status :
       {remote->Contains(keys).status(), ListAll(*remote).status(), remote->Stats().status(),
        remote->CompareAndSet("k", 0, "v").status(), remote->Get("k").status(),
        static_cast<MetaStore&>(*remote).List("", 1000).status()}) {
    EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  }
}

}  // namespace
}  // namespace promptcache::testing
