// What a store on disk does by itself. Internal to cachestore/disk.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {

// Drops expired blobs and saves uses every `maintain_every`; saves uses a last time when it goes.
class Maintainer {
 public:
  explicit Maintainer(std::shared_ptr<DiskCore> core);
  ~Maintainer();
  Maintainer(const Maintainer&) = delete;
  Maintainer& operator=(const Maintainer&) = delete;

 private:
  void Loop(const std::stop_token& stop);
  void Maintain();

  const std::shared_ptr<DiskCore> core_;
  std::string complained_;    // of this thread
  bool had_no_room_ = false;  // of this thread: there may be files that belong to nothing
  std::jthread thread_;
};

}  // namespace promptcache::internal
