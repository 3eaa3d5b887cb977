// A reader's connections to a store that serves blobs over bare tcp. Internal to
// cachestore/service.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/service/stream_socket.h"
#include "common/ids.h"

namespace promptcache {

// Thread safe.
class StreamPool {
 public:
  struct Options {
    std::string endpoint;  // of the link; only tcp ones have streams
    std::chrono::milliseconds connect_timeout{};
    std::chrono::milliseconds timeout{};  // without a word from the store
  };
  struct Stream {
    std::unique_ptr<StreamSocket> socket;
    uint64_t offer = 0;     // whose it is
    bool was_used = false;  // the store may have closed it since
  };
  explicit StreamPool(Options options) : options_(std::move(options)) {}

  // What the store that the link leads to says of itself; port 0: it has no streams.
  void Offer(uint16_t port, const RequestId& token);

  // Nothing where there is none.
  std::optional<Stream> Take();
  // A stream whose last fetch has come to its end.
  void GiveBack(Stream stream);
  // A new stream brought nothing: there are none for half a minute, or until the next offer.
  void Pause(uint64_t offer, const Status& why);

 private:
  struct Place {
    uint16_t port = 0;
    RequestId token;
    std::string host;  // an address, once it was looked up
  };

  Result<std::unique_ptr<StreamSocket>> Connect(uint64_t offer, Place place);

  const Options options_;

  std::mutex mutex_;
  // Guarded by mutex_.
  uint64_t offer_ = 0;
  Place place_;
  std::chrono::steady_clock::time_point not_before_;
  std::vector<std::unique_ptr<StreamSocket>> idle_;
};

}  // namespace promptcache
