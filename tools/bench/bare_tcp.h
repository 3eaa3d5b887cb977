// Bytes over a bare tcp connection within this machine, as the system sets one up: what a service
// is measured against.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <thread>

#include "common/status.h"

namespace promptcache {

// Not thread safe. The other end has a thread of its own.
class BareTcp {
 public:
  // kUnavailable when the system refuses.
  static Result<std::unique_ptr<BareTcp>> Open();
  ~BareTcp();
  BareTcp(const BareTcp&) = delete;
  BareTcp& operator=(const BareTcp&) = delete;

  // Asks for as many bytes as `out` has, which the other end sends from memory a MiB at a time.
  Status Fetch(std::span<uint8_t> out);

 private:
  BareTcp(int near, int far);

  const int near_;
  const int far_;
  std::jthread sender_;
};

}  // namespace promptcache
