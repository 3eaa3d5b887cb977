// A store that tells the truth in messages and what a test wants in streams.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "cachestore/service/remote_store.h"
#include "cachestore/service/stream_frames.h"
#include "cluster/transport/peer_table.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/unit/cachestore/sample_blob.h"

namespace promptcache::testing {

class TwoFacedStore {
 public:
  // What it answers in a stream, which goes on after true.
  using Script = std::function<bool(StreamSocket&, const FetchBlob&)>;

  // It has one blob. With a port, that is what it offers, and there is no script. It plays to one
  // connection after the other.
  TwoFacedStore(const SampleBlob& blob, Script script, std::optional<uint16_t> port = {})
      : blob_(blob),
        script_(std::move(script)),
        listener_(StreamListener::Listen("127.0.0.1", 0).value()) {
    acceptor_ = std::thread([this] {
      while (auto socket = Next()) Play(*socket);
    });
    endpoint_ = server_.Call([&] {
      table_ = std::make_unique<PeerTable>(
          server_.transport(), PeerTableOptions{.name = "two-faced"},
          PeerEvents{.on_message = [this](const PeerInfo& peer, const Envelope& envelope, Frame) {
            const auto* fetch = std::get_if<FetchBlob>(&envelope.body);
            if (fetch != nullptr) Answer(peer.id, envelope.request_id, *fetch);
          }});
      table_->OfferStreams(port.value_or(listener_->port()), token_);
      return table_->Listen({.endpoint = "tcp://127.0.0.1:*", .max_message_bytes = 96 << 20})
          .value();
    });
  }
  ~TwoFacedStore() {
    listener_->ShutDown();
    acceptor_.join();
    server_.Call([this] {
      table_.reset();
      return 0;
    });
  }

  int asked() const { return asked_; }

  // To be destroyed before this.
  std::unique_ptr<RemoteStore> Connect(RemoteStoreOptions options) {
    options.endpoint = endpoint_;
    options.memory_sharing = MemorySharing::kNever;
    return RemoteStore::Create(client_.transport(), options);
  }

 private:
  std::unique_ptr<StreamSocket> Next() {
    auto socket = listener_->Accept();
    return socket.ok() ? *std::move(socket) : nullptr;
  }

  void Play(StreamSocket& socket) {
    std::array<uint8_t, 16> token{};
    bool goes_on = socket.Receive(token).ok() && token == token_.bytes;
    while (goes_on) {
      const auto frame = ReceiveStreamFrame(socket);
      if (!frame.ok()) return;
      ++asked_;
      goes_on = script_(socket, std::get<FetchBlob>(frame->body));
    }
  }

  void Answer(PeerId peer, const RequestId& id, const FetchBlob& fetch) {
    const auto rest = std::span(blob_.bytes).subspan(fetch.offset);
    (void)table_->Send(
        peer,
        {.request_id = id, .body = Chunk{.offset = fetch.offset, .blob_bytes = blob_.bytes.size()}},
        Frame::Copy(rest));
    (void)table_->Send(peer, {.request_id = id, .body = Done{.bytes = rest.size()}});
  }

  const SampleBlob blob_;
  const Script script_;
  const RequestId token_ = RequestId::Random();
  const std::unique_ptr<StreamListener> listener_;
  std::thread acceptor_;
  std::atomic<int> asked_ = 0;
  ReactorThread server_;
  ReactorThread client_;
  std::unique_ptr<PeerTable> table_;
  std::string endpoint_;
};

}  // namespace promptcache::testing
