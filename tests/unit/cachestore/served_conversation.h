// A store server and raw peers on a network in memory, one step at a time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cachestore/service/store_server.h"
#include "cluster/transport/connection.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/cachestore/served_parts.h"

namespace promptcache::testing {

inline constexpr char kStoreEndpoint[] = "tcp://127.0.0.1:9";

struct Heard {
  RequestId id;
  Message body;
  Frame payload;
};

// A peer that says what the test wants.
class RawPeer {
 public:
  RawPeer(FakeNetwork& network, const std::string& name)
      : transport(network, name),
        connection(
            transport,
            {.connect = {.endpoint = kStoreEndpoint, .max_message_bytes = 96 << 20},
             .hello = {.role = PeerRole::kWorker, .name = name}},
            {.on_message = [this](Envelope envelope, Frame payload) {
              heard.push_back({envelope.request_id, std::move(envelope.body), std::move(payload)});
            }}) {
    EXPECT_TRUE(connection.Start().ok());
  }

  void Say(const RequestId& id, Message body, Frame payload = {}) {
    EXPECT_TRUE(connection.Send({.request_id = id, .body = std::move(body)}, payload).ok());
  }
  void Say(const RequestId& id, Message body, std::span<const uint8_t> payload) {
    Say(id, std::move(body), Frame::Copy(payload));
  }

  // The answers of one kind to one request, in order.
  template <typename T>
  std::vector<T> All(const RequestId& id) const {
    std::vector<T> found;
    for (const Heard& one : heard) {
      const auto* body = std::get_if<T>(&one.body);
      if (one.id == id && body != nullptr) found.push_back(*body);
    }
    return found;
  }
  std::vector<uint8_t> PayloadOf(const RequestId& id) const {
    std::vector<uint8_t> bytes;
    for (const Heard& one : heard) {
      if (one.id == id)
        bytes.insert(bytes.end(), one.payload.bytes().begin(), one.payload.bytes().end());
    }
    return bytes;
  }

  FakeTransport transport;
  Connection connection;
  std::vector<Heard> heard;
};

class ServedConversation {
 public:
  // One thread works for the server, so that what was asked first is done first.
  ServedConversation(BlobStore& blobs, MetaStore* meta, StoreServerOptions options = {})
      : server_transport_(network_, "server") {
    options.endpoint = kStoreEndpoint;
    options.threads = 1;
    options.max_streams = 0;  // they would be real
    server_ = StoreServer::Create(server_transport_, PartsOf(blobs, meta), options).value();
    peer_.emplace(network_, "peer");
    EXPECT_TRUE(StepUntil([this] { return peer_->connection.up(); }));
  }

  FakeNetwork& network() { return network_; }
  RawPeer& peer() { return *peer_; }
  const PeerCounters& links() const { return server_->links(); }
  void DestroyServer() { server_.reset(); }

  // Steps until it holds; false when it does not for half a minute.
  template <typename Condition>
  bool StepUntil(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (!network_.Step()) std::this_thread::yield();
    }
    return true;
  }

  // Steps until the server has nothing more to do. A question that it answers after the work that
  // waits is asked again and again, until three times nothing else came before the answer: no step
  // of a transfer but its opening and its closing is silent.
  void Settle() {
    for (int quiet = 0; quiet < 3;) {
      const size_t before = peer_->heard.size();
      const RequestId id = RequestId::Random();
      peer_->Say(id, BlobExists{});
      ASSERT_TRUE(StepUntil([&] { return !peer_->All<BlobExistsReply>(id).empty(); }));
      quiet = peer_->heard.size() == before + 1 ? quiet + 1 : 0;
    }
  }

 private:
  FakeNetwork network_;
  FakeTransport server_transport_;
  std::optional<RawPeer> peer_;
  std::unique_ptr<StoreServer> server_;
};

// Answers one request and waits for its last word.
inline Done DoneFor(ServedConversation& talk, const RequestId& id) {
  EXPECT_TRUE(talk.StepUntil([&] { return !talk.peer().All<Done>(id).empty(); }));
  const auto all = talk.peer().All<Done>(id);
  return all.empty() ? Done{.code = Code::kInternal, .message = "(nothing came)"} : all.front();
}

}  // namespace promptcache::testing
