// Work that takes long, off the reactor thread. Internal to coordinator/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "cluster/transport/transport.h"
#include "common/status.h"

namespace promptcache {

// Belongs to the reactor thread.
class Background {
 public:
  virtual ~Background() = default;

  // Runs `work` on another thread, in the order of submission, then `done` on the reactor thread.
  // kBusy when the waiting work would hold too many bytes; neither is called then. Once this object
  // is gone neither is called any more.
  virtual Status Submit(std::function<void()> work, std::function<void()> done, uint64_t bytes) = 0;

  // The same for work with a result.
  template <typename T>
  Status Compute(std::function<T()> work, std::function<void(T)> done, uint64_t bytes) {
    auto result = std::make_shared<std::optional<T>>();
    return Submit([work = std::move(work), result] { result->emplace(work()); },
                  [done = std::move(done), result] { done(*std::move(*result)); }, bytes);
  }
};

// One thread. Destruction waits for the work that runs and drops what waits.
std::unique_ptr<Background> StartBackgroundThread(Transport& transport);

}  // namespace promptcache
