// Serves blobs over bare tcp connections (stream_frames.h). Internal to cachestore/service.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "cachestore/service/store_server.h"
#include "cachestore/service/stream_socket.h"
#include "cachestore/store.h"
#include "common/ids.h"

namespace promptcache {

struct StreamServerOptions {
  std::string host;  // an IPv4 address
  uint16_t port = 0;
  uint32_t max_streams = 0;          // more are closed at once: their readers ask for messages
  std::chrono::milliseconds idle{};  // after which a peer that does nothing is left
};

// Each connection has a thread of its own, which blocks. Thread safe.
class StreamServer {
 public:
  // The store outlives the server. Errors as StreamListener::Listen.
  static Result<std::unique_ptr<StreamServer>> Start(BlobStore& blobs,
                                                     const StreamServerOptions& options);
  // Ends all connections and waits for their threads.
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  uint16_t port() const { return listener_->port(); }
  const RequestId& token() const { return token_; }
  StreamCounters counters() const;

 private:
  struct Connection {
    std::unique_ptr<StreamSocket> socket;  // null: its thread has ended, or is about to
    std::jthread thread;
  };

  StreamServer(BlobStore& blobs, const StreamServerOptions& options,
               std::unique_ptr<StreamListener> listener);
  void AcceptAll(const std::stop_token& stop);
  void Add(std::unique_ptr<StreamSocket> socket);
  void Serve(Connection& connection);
  Status ServeFetches(StreamSocket& socket);
  Status SendBlob(StreamSocket& socket, const FetchBlob& fetch);
  Status SendChunks(StreamSocket& socket, BlobReader& reader, const FetchBlob& fetch);

  BlobStore& blobs_;
  const StreamServerOptions options_;
  const RequestId token_ = RequestId::Random();
  const std::unique_ptr<StreamListener> listener_;
  std::atomic<uint64_t> sent_bytes_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<uint64_t> idle_ = 0;

  mutable std::mutex mutex_;
  std::list<Connection> connections_;  // guarded by mutex_

  std::jthread acceptor_;
};

}  // namespace promptcache
