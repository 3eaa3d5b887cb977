// A cachestore somewhere else, as the stores it serves. Calls block and are meant for worker
// threads, never for the reactor thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cachestore/admin.h"
#include "cluster/transport/transport.h"
#include "common/status.h"

namespace promptcache {

// Whether blobs may come through memory that is shared with a server on the same machine.
enum class MemorySharing : uint8_t { kWherePossible, kNever };

// Whether blobs may come over a bare tcp connection beside the link, from a store without keys.
enum class BlobStreams : uint8_t { kWherePossible, kNever };

struct RemoteStoreOptions {
  std::string endpoint;
  std::string name = "remote-store";
  // Without a word from the store for this long a call fails; it also fails at once while the link
  // is down, after waiting `connect_timeout` for it.
  std::chrono::milliseconds timeout{5'000};
  std::chrono::milliseconds connect_timeout{300};
  uint64_t window_bytes = 8 << 20;  // how far the store may send ahead of the reader
  // Of what is possible, streams come before shared memory, and that before messages.
  MemorySharing memory_sharing = MemorySharing::kWherePossible;
  BlobStreams streams = BlobStreams::kWherePossible;
};

// Bytes of blobs that came from the store.
struct RemoteReads {
  uint64_t window_bytes = 0;  // through shared memory
  uint64_t stream_bytes = 0;  // over bare tcp
  uint64_t message_bytes = 0;
  // In user space behind the page cache, on this side: from the window, from the message, or from a
  // chunk of a stream that was not wanted whole, to where the reader wants them. The server hands
  // on what it has read without copying it.
  uint64_t copied_bytes = 0;

  RemoteReads& operator+=(const RemoteReads& more) {
    window_bytes += more.window_bytes;
    stream_bytes += more.stream_bytes;
    message_bytes += more.message_bytes;
    copied_bytes += more.copied_bytes;
    return *this;
  }
};

// Thread safe. All errors of store.h, and kUnavailable while the store is not reachable; it comes
// back by itself. Readers and writers must not outlive it.
class RemoteStore : public BlobStore, public MetaStore, public StoreAdmin {
 public:
  // The link lives on `transport`'s reactor thread, which must run on another thread than the
  // calls; the transport outlives the store. Create and destroy from any thread but the reactor's.
  static std::unique_ptr<RemoteStore> Create(Transport& transport,
                                             const RemoteStoreOptions& options);
  virtual RemoteReads reads() const = 0;  // since it was created
};

}  // namespace promptcache
