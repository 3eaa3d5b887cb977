// Blobs over bare tcp connections, from a store and from servers that lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "cachestore/service/stream_pool.h"
#include "tests/unit/cachestore/disk_damage.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_store.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/cachestore/two_faced_store.h"
#include "tests/unit/transport/zmq_test_util.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

StoreServerOptions OnTcp() { return {.endpoint = "tcp://127.0.0.1:*"}; }

class StreamTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PutBytes(memory_, blob_.key, blob_.bytes).ok()); }

  const SampleBlob blob_ = MakeLargeBlob(3, 5 << 20);
  MemoryBlobStore memory_;
  TempDir dir_;
};

TEST_F(StreamTest, WholeBlobOfAServerOnTcpComesWithoutACopy) {
  ServedStore served(memory_, nullptr, OnTcp());
  const auto remote = served.Connect(PatientRemote());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().stream_bytes, blob_.bytes.size());
  EXPECT_EQ(remote->reads().message_bytes + remote->reads().window_bytes, 0u);
  EXPECT_EQ(remote->reads().copied_bytes, 0u);
  EXPECT_EQ(served.streams().sent_bytes, blob_.bytes.size());
}

TEST_F(StreamTest, JumpsAndManyReadersGetWhatIsTheirs) {
  ServedStore served(memory_, nullptr, OnTcp());
  const auto remote = served.Connect(PatientRemote());
  ExpectReadersJump(*remote, blob_);
  EXPECT_EQ(remote->reads().message_bytes, 0u);
}

TEST_F(StreamTest, ReadersOneAfterTheOtherShareAConnection) {
  ServedStore served(memory_, nullptr, OnTcp());
  const auto remote = served.Connect(PatientRemote());
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
    EXPECT_EQ(remote->Open(MakeSampleBlob({.seed = 99}).key).status().code(), Code::kNotFound);
  }
  EXPECT_EQ(served.streams().open, 1u);
}

TEST_F(StreamTest, ReadersOverTheirNumberGetMessages) {
  StoreServerOptions options = OnTcp();
  options.max_streams = 1;
  ServedStore served(memory_, nullptr, options);
  const auto remote = served.Connect(PatientRemote());
  const auto first = remote->Open(blob_.key).value();  // has bytes to come
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().message_bytes + remote->reads().window_bytes, blob_.bytes.size());
  EXPECT_GE(served.streams().refused, 1u);
  std::vector<uint8_t> bytes(blob_.bytes.size());
  ASSERT_TRUE(first->Read(0, bytes).ok());
  EXPECT_TRUE(bytes == blob_.bytes);
}

TEST_F(StreamTest, ServerThatHasNoneSendsMessages) {
  StoreServerOptions options = OnTcp();
  options.max_streams = 0;
  ServedStore served(memory_, nullptr, options);
  RemoteStoreOptions remote_options = PatientRemote();
  remote_options.memory_sharing = MemorySharing::kNever;
  const auto remote = served.Connect(remote_options);
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().message_bytes, blob_.bytes.size());
}

TEST_F(StreamTest, ReaderThatDoesNotGoOnIsLeftAndReadsOnInMessages) {
  // More than the system keeps for a connection.
  const SampleBlob large = MakeLargeBlob(7, 48 << 20);
  ASSERT_TRUE(PutBytes(memory_, large.key, large.bytes).ok());
  StoreServerOptions options = OnTcp();
  options.transfer_idle = std::chrono::milliseconds(50);
  ServedStore served(memory_, nullptr, options);
  const auto remote = served.Connect(PatientRemote());
  const auto reader = remote->Open(large.key).value();
  ASSERT_TRUE(Eventually([&] { return served.streams().idle == 1; }));
  EXPECT_EQ(remote->Stats().value().idle_transfers, 1u);
  std::vector<uint8_t> bytes(large.bytes.size());
  ASSERT_TRUE(reader->Read(0, bytes).ok());
  EXPECT_TRUE(bytes == large.bytes);
}

TEST_F(StreamTest, DamageOnTheServersDiskIsDataLossAndCounted) {
  const std::string directory = dir_.Sub("store");
  ASSERT_TRUE(
      PutBytes(OpenDiskStore({.directory = directory}).value()->blobs(), blob_.key, blob_.bytes)
          .ok());
  DamageChunk(directory, blob_.key, 3);
  const auto disk = OpenDiskStore({.directory = directory}).value();
  ServedStore served(disk->blobs(), nullptr, OnTcp());
  const auto remote = served.Connect(PatientRemote());
  const auto reader = remote->Open(blob_.key).value();
  std::vector<uint8_t> sound(3 << 20);
  EXPECT_TRUE(reader->Read(0, sound).ok());
  std::vector<uint8_t> damaged(100);
  const Status status = reader->Read(3 << 20, damaged);
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("chunk 3"));
  EXPECT_EQ(remote->Stats().value().corruptions, 1u);
  EXPECT_EQ(remote->Open(blob_.key).status().code(), Code::kNotFound);
}

TEST_F(StreamTest, FileCutShortUnderItsReaderIsDataLossAndTheServerLives) {
  const std::string directory = dir_.Sub("store");
  const SampleBlob large = MakeLargeBlob(7, 48 << 20);
  const auto disk = OpenDiskStore({.directory = directory}).value();
  ASSERT_TRUE(PutBytes(disk->blobs(), large.key, large.bytes).ok());
  ASSERT_TRUE(PutBytes(disk->blobs(), blob_.key, blob_.bytes).ok());
  ServedStore served(disk->blobs(), nullptr, OnTcp());
  const auto remote = served.Connect(PatientRemote());
  const auto reader = remote->Open(large.key).value();
  int cut = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.file_size() < large.bytes.size()) continue;
    std::filesystem::resize_file(entry.path(), 20 << 20);
    ++cut;
  }
  ASSERT_EQ(cut, 1);
  std::vector<uint8_t> bytes(large.bytes.size());
  EXPECT_EQ(reader->Read(0, bytes).code(), Code::kDataLoss);
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
}

TEST_F(StreamTest, StoreThatStopsIsUnavailable) {
  const SampleBlob large = MakeLargeBlob(7, 48 << 20);
  ASSERT_TRUE(PutBytes(memory_, large.key, large.bytes).ok());
  ServedStore served(memory_, nullptr, OnTcp());
  RemoteStoreOptions options = PatientRemote();
  options.timeout = std::chrono::seconds(5);
  options.connect_timeout = std::chrono::seconds(5);
  const auto remote = served.Connect(options);
  const auto reader = remote->Open(large.key).value();
  served.StopServer();
  std::vector<uint8_t> bytes(large.bytes.size());
  EXPECT_EQ(reader->Read(0, bytes).code(), Code::kUnavailable);
}

TEST_F(StreamTest, ConnectionThatTheStoreHasLeftIsReplaced) {
  StoreServerOptions options = OnTcp();
  options.transfer_idle = std::chrono::milliseconds(50);
  ServedStore served(memory_, nullptr, options);
  const auto remote = served.Connect(PatientRemote());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  ASSERT_TRUE(Eventually([&] { return served.streams().open == 0; }));
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().stream_bytes, 2 * blob_.bytes.size());
}

TEST_F(StreamTest, StreamsComeBackWithTheStoreAtAnotherPort) {
  ReactorThread client;
  RemoteStoreOptions options = PatientRemote();
  std::optional<ServedStore> served(std::in_place, memory_, nullptr, OnTcp());
  options.endpoint = served->endpoint();
  const auto remote = RemoteStore::Create(client.transport(), options);
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  served.reset();
  served.emplace(memory_, nullptr, StoreServerOptions{.endpoint = options.endpoint});
  ASSERT_TRUE(Eventually([&] { return remote->Contains({&blob_.key, 1}).ok(); }));
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().stream_bytes, 2 * blob_.bytes.size());
}

// ---- servers that lie ----

struct StreamLie {
  const char* what;
  std::function<void(StreamSocket&)> tell;
};

// A fetch that is answered as it should be, up to `end`.
Status Answer(StreamSocket& socket, const SampleBlob& blob, uint64_t begin, uint64_t end) {
  for (uint64_t at = begin; at < end;) {
    const auto bytes = std::span(blob.bytes).subspan(at, std::min<uint64_t>(1 << 20, end - at));
    const Chunk chunk{.offset = at, .blob_bytes = blob.bytes.size(), .hash = Xxh3_128(bytes)};
    PC_RETURN_IF_ERROR(SendStreamFrame(socket, chunk, bytes));
    at += bytes.size();
  }
  return {};
}

TEST_F(StreamTest, WhatALyingStreamBringsComesAgainInMessages) {
  const auto first = std::span(blob_.bytes).first(1 << 20);
  const uint64_t size = blob_.bytes.size();
  const Hash128 hash = Xxh3_128(first);
  std::vector<uint8_t> damaged(first.begin(), first.end());
  damaged[500'000] ^= 1;
  const auto chunk = [&](uint64_t offset, uint64_t blob_bytes, std::span<const uint8_t> payload) {
    return [=](StreamSocket& socket) {
      (void)SendStreamFrame(socket, Chunk{.offset = offset, .blob_bytes = blob_bytes, .hash = hash},
                            payload);
    };
  };
  const auto raw = [](std::vector<uint8_t> bytes) {
    return [=](StreamSocket& socket) { (void)socket.Send(bytes); };
  };
  const auto message = [](Message body) {
    return [=](StreamSocket& socket) { (void)SendStreamFrame(socket, body); };
  };
  const StreamLie lies[] = {
      {"an end at once", [](StreamSocket&) {}},
      {"an end behind the first chunk", chunk(0, size, first)},
      {"a byte that is another", chunk(0, size, damaged)},
      {"another place", chunk(5, size, first)},
      {"a blob smaller than the chunk", chunk(0, first.size() - 1, first)},
      {"no bytes", chunk(0, size, {})},
      {"a blob of nothing", chunk(0, 0, first)},
      {"an end that is none", message(Done{})},
      {"an error with a payload",
       [](StreamSocket& socket) {
         (void)SendStreamFrame(socket, Done{.code = Code::kNotFound}, std::vector<uint8_t>(9));
       }},
      {"an answer of another kind", message(Reply{})},
      {"half a frame", raw({16, 0, 0, 0})},
      {"a frame of 4 GiB", raw(std::vector<uint8_t>(8, 0xFF))},
      {"garbage", raw(std::vector<uint8_t>(100, 0x11))},
      {"the same chunk twice",
       [&](StreamSocket& socket) {
         for (int i = 0; i < 2; ++i) (void)Answer(socket, blob_, 0, first.size());
       }},
      {"another size behind the first chunk",
       [&](StreamSocket& socket) {
         (void)Answer(socket, blob_, 0, first.size());
         const auto second = std::span(blob_.bytes).subspan(first.size(), 100);
         (void)SendStreamFrame(
             socket,
             Chunk{.offset = first.size(), .blob_bytes = size + 1, .hash = Xxh3_128(second)},
             second);
       }},
  };
  for (const StreamLie& lie : lies) {
    SCOPED_TRACE(lie.what);
    TwoFacedStore store(blob_, [&](StreamSocket& socket, const FetchBlob&) {
      lie.tell(socket);
      return false;
    });
    const auto remote = store.Connect(PatientRemote());
    EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
    EXPECT_GE(store.asked(), 1);
    EXPECT_GT(remote->reads().message_bytes, 0u);
  }
}

TEST_F(StreamTest, JumpThatIsAnsweredWithAnotherPlaceComesAgainInMessages) {
  TwoFacedStore store(blob_, [&](StreamSocket& socket, const FetchBlob&) {
    return Answer(socket, blob_, 0, 1 << 20).ok();
  });
  const auto remote = store.Connect(PatientRemote());
  const auto reader = remote->Open(blob_.key).value();
  std::vector<uint8_t> out(1000);
  ASSERT_TRUE(reader->Read(4 << 20, out).ok());
  EXPECT_TRUE(std::equal(out.begin(), out.end(), blob_.bytes.begin() + (4 << 20)));
  EXPECT_EQ(store.asked(), 2);
}

TEST_F(StreamTest, BlobOfAnotherSizeInMessagesIsNotThatBlob) {
  const SampleBlob other = MakeLargeBlob(5, 2 << 20);
  TwoFacedStore store(blob_, [&](StreamSocket& socket, const FetchBlob&) {
    return !Answer(socket, other, 0, 1 << 20).ok();
  });
  const auto remote = store.Connect(PatientRemote());
  const auto reader = remote->Open(blob_.key).value();
  std::vector<uint8_t> bytes(reader->size());
  EXPECT_EQ(reader->Read(0, bytes).code(), Code::kUnavailable);
}

TEST_F(StreamTest, ErrorMidwayIsTheBlobs) {
  TwoFacedStore store(blob_, [&](StreamSocket& socket, const FetchBlob&) {
    (void)Answer(socket, blob_, 0, 1 << 20);
    return SendStreamFrame(socket, Done{.code = Code::kDataLoss, .message = "chunk 1"}).ok();
  });
  const auto remote = store.Connect(PatientRemote());
  const auto reader = remote->Open(blob_.key).value();
  std::vector<uint8_t> bytes(blob_.bytes.size());
  const Status status = reader->Read(0, bytes);
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("chunk 1"));
}

TEST_F(StreamTest, StreamThatIsSilentIsLeftForMessages) {
  std::promise<void> over;
  const std::shared_future<void> end = over.get_future().share();
  TwoFacedStore store(blob_, [end](StreamSocket&, const FetchBlob&) {
    end.wait();
    return false;
  });
  RemoteStoreOptions options = PatientRemote();
  options.timeout = std::chrono::seconds(1);
  const auto remote = store.Connect(options);
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().message_bytes, blob_.bytes.size());
  over.set_value();
}

TEST_F(StreamTest, StreamsThatBringNothingAreNotTriedEachTime) {
  TwoFacedStore store(blob_, [](StreamSocket&, const FetchBlob&) { return false; });
  const auto remote = store.Connect(PatientRemote());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  }
  EXPECT_EQ(store.asked(), 1);
}

TEST_F(StreamTest, ConnectionThatIsClosedAtItsSecondFetchIsReplaced) {
  std::atomic<int> fetches = 0;
  TwoFacedStore store(blob_, [&](StreamSocket& socket, const FetchBlob&) {
    const bool is_first = fetches++ % 2 == 0;
    return is_first && Answer(socket, blob_, 0, blob_.bytes.size()).ok();
  });
  const auto remote = store.Connect(PatientRemote());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  }
  EXPECT_EQ(remote->reads().stream_bytes, 3 * blob_.bytes.size());
}

TEST(StreamSocket, HostOfAnEndpointIsWhatStandsBeforeItsPort) {
  EXPECT_EQ(HostOf("tcp://127.0.0.1:7422"), "127.0.0.1");
  EXPECT_EQ(HostOf("tcp://store:7422#a:b@c:d"), "store");
  EXPECT_EQ(HostOf("ipc:///run/store:1"), "");
}

TEST(StreamPool, StreamOfAStoreThatIsNoLongerOfferedIsNotTakenAgain) {
  const auto listener = StreamListener::Listen("127.0.0.1", 0).value();
  StreamPool pool({.endpoint = "tcp://127.0.0.1:1",
                   .connect_timeout = std::chrono::seconds(30),
                   .timeout = std::chrono::seconds(30)});
  EXPECT_FALSE(pool.Take());
  pool.Offer(listener->port(), RequestId::Random());
  pool.GiveBack(*pool.Take());
  auto used = pool.Take();
  ASSERT_TRUE(used);
  EXPECT_TRUE(used->was_used);
  pool.Offer(listener->port(), RequestId::Random());
  pool.GiveBack(*std::move(used));
  EXPECT_FALSE(pool.Take().value().was_used);
  pool.Offer(0, {});
  EXPECT_FALSE(pool.Take());
}

TEST_F(StreamTest, PortOutOfReachMeansMessages) {
  // Free again, so that nobody listens there.
  const uint16_t nobody = StreamListener::Listen("127.0.0.1", 0).value()->port();
  TwoFacedStore store(blob_, nullptr, nobody);
  const auto remote = store.Connect(PatientRemote());
  EXPECT_TRUE(GetBytes(*remote, blob_.key).value() == blob_.bytes);
  EXPECT_EQ(remote->reads().message_bytes, blob_.bytes.size());
}

}  // namespace
}  // namespace promptcache::testing
