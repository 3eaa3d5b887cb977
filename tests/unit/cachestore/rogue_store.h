// A store server that says what a test wants.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cachestore/service/remote_store.h"
#include "cluster/transport/peer_table.h"
#include "tests/fakes/reactor_thread.h"

namespace promptcache::testing {

struct Said {
  Message body;
  Frame payload;
};

class RogueStore {
 public:
  // What it answers to each message; on its reactor thread.
  using Script = std::function<std::vector<Said>(const Message&)>;

  explicit RogueStore(Script script)
      : script_(std::move(script)), server_(context_), client_(context_) {
    server_.Call([this] {
      table_ = std::make_unique<PeerTable>(
          server_.transport(), PeerTableOptions{.name = "rogue"},
          PeerEvents{.on_message = [this](const PeerInfo& peer, Envelope envelope, Frame) {
            for (Said& said : script_(envelope.body)) {
              (void)table_->Send(peer.id,
                                 {.request_id = envelope.request_id, .body = std::move(said.body)},
                                 std::move(said.payload));
            }
          }});
      return table_->Listen({.endpoint = "inproc://rogue", .max_message_bytes = 96 << 20}).ok();
    });
  }
  ~RogueStore() {
    server_.Call([this] {
      table_.reset();
      return 0;
    });
  }

  // To be destroyed before this.
  std::unique_ptr<RemoteStore> Connect(RemoteStoreOptions options) {
    options.endpoint = "inproc://rogue";
    return RemoteStore::Create(client_.transport(), options);
  }

 private:
  const Script script_;
  const std::shared_ptr<TransportContext> context_ = TransportContext::Create();
  ReactorThread server_;
  ReactorThread client_;
  std::unique_ptr<PeerTable> table_;
};

}  // namespace promptcache::testing
