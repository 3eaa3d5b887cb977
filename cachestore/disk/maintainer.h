// What a store on disk does by itself. Internal to cachestore/disk.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {

// Drops expired blobs every `maintain_every` and saves uses every `save_uses_every`, and a last
// time when it goes.
class Maintainer {
 public:
  explicit Maintainer(std::shared_ptr<DiskCore> core);
  ~Maintainer();
  Maintainer(const Maintainer&) = delete;
  Maintainer& operator=(const Maintainer&) = delete;

 private:
  void Loop(const std::stop_token& stop);
  void Maintain();
  Status SaveUsesIfDue();

  const std::shared_ptr<DiskCore> core_;
  std::string complained_;    // of this thread
  bool had_no_room_ = false;  // of this thread: there may be files that belong to nothing
  SteadyTime uses_saved_;     // of this thread
  std::jthread thread_;
};

}  // namespace promptcache::internal
