// A store server and a remote store that talk over real sockets, each with a reactor thread of its
// own, as in two processes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/service/remote_store.h"
#include "cachestore/service/store_server.h"
#include "tests/fakes/reactor_thread.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/served_parts.h"

namespace promptcache::testing {

class ServedStore {
 public:
  // The stores outlive this. Aborts when the server cannot start.
  ServedStore(BlobStore& blobs, MetaStore* meta, const StoreServerOptions& options)
      : server_reactor_(context_), client_reactor_(context_) {
    server_ = server_reactor_.Call([&] {
      return StoreServer::Create(server_reactor_.transport(), PartsOf(blobs, meta), options)
          .value();
    });
    endpoint_ = server_->endpoint();
  }
  ~ServedStore() { StopServer(); }

  const std::string& endpoint() const { return endpoint_; }
  StreamCounters streams() const { return server_->streams(); }
  std::shared_ptr<TransportContext> context() const { return context_; }

  // A store on the client's reactor. To be destroyed before this.
  std::unique_ptr<RemoteStore> Connect(RemoteStoreOptions options = {}) {
    options.endpoint = endpoint_;
    return RemoteStore::Create(client_reactor_.transport(), options);
  }

  // As if the server's process ended.
  void StopServer() {
    if (!server_) return;
    server_reactor_.Call([this] {
      server_.reset();
      return 0;
    });
    server_reactor_.Stop();
  }

 private:
  const std::shared_ptr<TransportContext> context_ = TransportContext::Create();
  ReactorThread server_reactor_;
  ReactorThread client_reactor_;
  std::unique_ptr<StoreServer> server_;
  std::string endpoint_;
};

// Long enough that a slow machine is not taken for a store that is gone.
inline RemoteStoreOptions PatientRemote() {
  return {.timeout = std::chrono::seconds(60), .connect_timeout = std::chrono::seconds(30)};
}

// Many readers of one blob, of at least 4.3 MB, that jump about in turn.
inline void ExpectReadersJump(BlobStore& store, const SampleBlob& blob) {
  std::vector<std::unique_ptr<BlobReader>> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(store.Open(blob.key).value());
  std::vector<uint8_t> out(300'000);
  for (const uint64_t offset : {4'000'000u, 17u, 2'000'001u, 17u}) {
    for (const auto& reader : readers) {
      ASSERT_TRUE(reader->Read(offset, out).ok());
      EXPECT_TRUE(std::equal(out.begin(), out.end(), blob.bytes.begin() + ptrdiff_t(offset)));
    }
  }
}

}  // namespace promptcache::testing
