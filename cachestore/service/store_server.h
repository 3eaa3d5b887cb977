// Serves a blob store and a meta store over a transport.
//
// Threads: messages are handled on the reactor thread; everything that may touch the disk runs on
// the server's own threads, one operation of a transfer at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "cachestore/admin.h"
#include "cluster/transport/peer_table.h"
#include "cluster/transport/transport.h"
#include "common/clock.h"
#include "common/status.h"

namespace promptcache {

struct StoreServerOptions {
  std::string endpoint;
  uint32_t threads = 2;
  uint64_t chunk_bytes = 1 << 20;
  uint64_t put_window_bytes = 8 << 20;   // a writer may be this far ahead of the disk
  uint64_t max_credit_bytes = 64 << 20;  // what a reader may ask for at once
  // More are kBusy, and of one peer (a key, or a link without one) more than it leaves to others.
  uint32_t max_transfers = 1024;
  // A fetch or a put whose peer does not go on for this long, or a quarter more, ends with
  // kDeadlineExceeded: the peer holds a key and a place for others.
  std::chrono::milliseconds transfer_idle{60'000};
  // Chunks and requests between stores and peers; what would pass it is kBusy, and of one peer what
  // would pass as much as it leaves to others.
  uint64_t max_held_bytes = uint64_t{1} << 30;
  const Clock* clock = &SystemClock();  // for the time that requests may take
  // Where a server on tcp whose links have no keys serves blobs over bare connections; 0: any free
  // port. Each takes a thread; readers over their number, or all when it is 0, get messages.
  uint16_t stream_port = 0;
  uint32_t max_streams = 128;
};

// Of connections that blobs are read over.
struct StreamCounters {
  uint64_t open = 0;
  uint64_t sent_bytes = 0;
  uint64_t refused = 0;  // there were too many
  uint64_t idle = 0;     // were ended because their reader did not go on
};

// What a server serves. The parts outlive it.
struct StoreParts {
  BlobStore& blobs;
  StoreAdmin& admin;
  MetaStore* meta = nullptr;  // null: meta requests are refused
};

class StoreServer {
 public:
  // Transport and stores outlive the server.
  // kInvalidArgument for options that could never serve; else as Transport::Listen, and
  // kUnavailable when the port for streams cannot be had. Create and
  // destroy on the reactor thread or while it does not run.
  static Result<std::unique_ptr<StoreServer>> Create(Transport& transport, const StoreParts& store,
                                                     const StoreServerOptions& options);
  virtual ~StoreServer() = default;
  virtual const std::string& endpoint() const = 0;
  // On the reactor thread.
  virtual const PeerCounters& links() const = 0;
  virtual StreamCounters streams() const = 0;  // thread safe
};

}  // namespace promptcache
