// The server of streams against peers that do not know how, or do not want.
#include "cachestore/service/stream_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>

#include "cachestore/memory/memory_store.h"
#include "cachestore/service/stream_frames.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;

class StreamServerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PutBytes(memory_, blob_.key, blob_.bytes).ok()); }

  std::unique_ptr<StreamSocket> Connect() {
    return StreamSocket::Connect("127.0.0.1", server_->port(), seconds(30)).value();
  }
  std::unique_ptr<StreamSocket> ConnectWithToken() {
    auto socket = Connect();
    EXPECT_TRUE(socket->Send(server_->token().bytes).ok());
    return socket;
  }
  // Whether nothing more comes but the end.
  static bool IsEnded(StreamSocket& socket) {
    std::array<uint8_t, 1> byte{};
    return socket.Receive(byte).code() == Code::kUnavailable;
  }
  void ExpectServes() {
    const auto socket = ConnectWithToken();
    ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key}).ok());
    EXPECT_TRUE(BytesOfAFetch(*socket) == blob_.bytes);
  }
  // Of chunks that follow each other to the end of the blob.
  std::vector<uint8_t> BytesOfAFetch(StreamSocket& socket) {
    std::vector<uint8_t> bytes;
    uint64_t end = 0;
    while (bytes.empty() || end < blob_.bytes.size()) {
      const auto frame = ReceiveStreamFrame(socket);
      const auto* chunk = frame.ok() ? std::get_if<Chunk>(&frame->body) : nullptr;
      if (chunk == nullptr) return {};
      EXPECT_EQ(chunk->blob_bytes, blob_.bytes.size());
      std::vector<uint8_t> payload(frame->payload_bytes);
      EXPECT_EQ(socket.ReceiveHashed(payload).value(), chunk->hash);
      bytes.insert(bytes.end(), payload.begin(), payload.end());
      end = chunk->offset + payload.size();
    }
    return bytes;
  }

  const SampleBlob blob_ = MakeLargeBlob(3, 5 << 19);
  MemoryBlobStore memory_;
  std::unique_ptr<StreamServer> server_ =
      StreamServer::Start(memory_, {.host = "127.0.0.1", .max_streams = 8, .idle = seconds(30)})
          .value();
};

TEST_F(StreamServerTest, ConnectionServesOneFetchAfterTheOther) {
  const auto socket = ConnectWithToken();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key}).ok());
    EXPECT_TRUE(BytesOfAFetch(*socket) == blob_.bytes);
  }
  EXPECT_EQ(server_->counters().sent_bytes, 3 * blob_.bytes.size());
}

TEST_F(StreamServerTest, FetchFromTheMiddleBeginsThereOrBefore) {
  const auto socket = ConnectWithToken();
  const uint64_t offset = (1 << 20) + 77;
  ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key, .offset = offset}).ok());
  const std::vector<uint8_t> bytes = BytesOfAFetch(*socket);
  ASSERT_GE(bytes.size(), blob_.bytes.size() - offset);
  EXPECT_TRUE(std::equal(bytes.rbegin(), bytes.rend(), blob_.bytes.rbegin()));
}

TEST_F(StreamServerTest, WhatIsNotThereIsSaidAndTheConnectionGoesOn) {
  const auto socket = ConnectWithToken();
  const uint64_t size = blob_.bytes.size();
  const std::pair<FetchBlob, Code> fetches[] = {
      {{.key = MakeSampleBlob().key}, Code::kNotFound},
      {{.key = blob_.key, .offset = size + 1}, Code::kInvalidArgument},
      {{.key = blob_.key, .offset = 1, .length = size}, Code::kInvalidArgument},
      {{.key = blob_.key, .offset = UINT64_MAX, .length = UINT64_MAX}, Code::kInvalidArgument},
      {{.key = blob_.key, .offset = size}, Code::kOk}};
  for (const auto& [fetch, code] : fetches) {
    ASSERT_TRUE(SendStreamFrame(*socket, fetch).ok());
    const StreamFrame frame = ReceiveStreamFrame(*socket).value();
    ASSERT_TRUE(std::holds_alternative<Done>(frame.body));
    EXPECT_EQ(std::get<Done>(frame.body).code, code);
  }
  ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key}).ok());
  EXPECT_TRUE(BytesOfAFetch(*socket) == blob_.bytes);
}

TEST_F(StreamServerTest, ConnectionWithoutTheTokenGetsNothing) {
  const auto socket = Connect();
  std::array<uint8_t, 16> token = server_->token().bytes;
  token[15] ^= 1;
  ASSERT_TRUE(socket->Send(token).ok());
  (void)SendStreamFrame(*socket, FetchBlob{.key = blob_.key});
  EXPECT_TRUE(IsEnded(*socket));
  EXPECT_EQ(server_->counters().sent_bytes, 0u);
}

TEST_F(StreamServerTest, MessagesOfAnotherKindEndTheConnection) {
  for (const Message& message : {Message(Cancel{}), Message(BlobRemove{.key = blob_.key}),
                                 Message(PutBlob{.key = blob_.key, .bytes = 100})}) {
    const auto socket = ConnectWithToken();
    ASSERT_TRUE(SendStreamFrame(*socket, message).ok());
    EXPECT_TRUE(IsEnded(*socket));
  }
  const auto socket = ConnectWithToken();
  const std::array<uint8_t, 3> payload{};
  ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key}, payload).ok());
  EXPECT_TRUE(IsEnded(*socket));
  ExpectServes();
}

TEST_F(StreamServerTest, GarbageEndsItsConnectionAlone) {
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    const auto socket = ConnectWithToken();
    std::vector<uint8_t> garbage(8 + random() % 300);
    for (uint8_t& byte : garbage) byte = static_cast<uint8_t>(random());
    // A length that is right, so that what follows is decoded.
    if (i % 2 == 0) {
      std::fill_n(garbage.begin(), 8, uint8_t{0});
      garbage[0] = static_cast<uint8_t>(garbage.size() - 8);
      garbage[1] = static_cast<uint8_t>((garbage.size() - 8) >> 8);
    }
    (void)socket->Send(garbage);
    EXPECT_TRUE(IsEnded(*socket));
  }
  EXPECT_EQ(server_->counters().refused, 0u);
  ExpectServes();
}

TEST_F(StreamServerTest, FetchOfALengthEndsWithItsChunk) {
  const auto socket = ConnectWithToken();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key, .length = 10}).ok());
    const StreamFrame frame = ReceiveStreamFrame(*socket).value();
    ASSERT_TRUE(std::holds_alternative<Chunk>(frame.body));
    EXPECT_EQ(std::get<Chunk>(frame.body).offset, 0u);
    std::vector<uint8_t> payload(frame.payload_bytes);
    EXPECT_TRUE(socket->Receive(payload).ok());
  }
}

TEST_F(StreamServerTest, ManyConnectionsAtOnceAreClosedButForTheFirst) {
  std::vector<std::unique_ptr<StreamSocket>> sockets;
  for (int i = 0; i < 8; ++i) sockets.push_back(ConnectWithToken());
  for (const auto& socket : sockets) {
    ASSERT_TRUE(SendStreamFrame(*socket, FetchBlob{.key = blob_.key}).ok());
    EXPECT_TRUE(BytesOfAFetch(*socket) == blob_.bytes);
  }
  EXPECT_TRUE(IsEnded(*Connect()));
  EXPECT_EQ(server_->counters().refused, 1u);
  EXPECT_EQ(server_->counters().open, 8u);
}

TEST_F(StreamServerTest, EndOfTheServerEndsItsConnections) {
  const auto silent = Connect();
  const auto idle = ConnectWithToken();
  server_.reset();
  EXPECT_TRUE(IsEnded(*silent));
  EXPECT_TRUE(IsEnded(*idle));
}

TEST_F(StreamServerTest, EndsAlsoWhereTheSystemHasNoMoreFiles) {
  FileDescriptor waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in address{.sin_family = AF_INET,
                      .sin_port = htons(server_->port()),
                      .sin_addr = {htonl(INADDR_LOOPBACK)},
                      .sin_zero = {}};
  const int connected =
      ::connect(waiting.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  server_.reset();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(connected, 0);
}

TEST_F(StreamServerTest, PortThatIsTakenIsSaid) {
  const auto second = StreamServer::Start(
      memory_,
      {.host = "127.0.0.1", .port = server_->port(), .max_streams = 1, .idle = seconds(1)});
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace promptcache::testing
