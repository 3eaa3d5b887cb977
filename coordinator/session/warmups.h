// Runs that fill the memory of a worker before it gets requests, or that bring it units that it
// will soon be asked for. Pure state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>

#include "cluster/transport/transport.h"
#include "common/ids.h"

namespace promptcache {

// Not thread safe.
class Warmups {
 public:
  // `salt`: of this life of this coordinator, for workers remember ids; and a secret, for clients
  // choose theirs.
  explicit Warmups(uint64_t salt) : salt_(salt) {}

  // Gives the id under which the worker answers. `keep_alive`: what its recipes come from.
  RequestId Start(PeerId worker, std::shared_ptr<const void> keep_alive) {
    RequestId id;
    ++last_number_;
    for (size_t i = 0; i < sizeof(last_number_); ++i) {
      id.bytes[i] = static_cast<uint8_t>(last_number_ >> (8 * i));
      id.bytes[8 + i] = static_cast<uint8_t>(salt_ >> (8 * i));
    }
    runs_.emplace(id, Run{worker, std::move(keep_alive)});
    return id;
  }
  // False: no such run of this worker.
  bool End(const RequestId& id, PeerId worker) {
    const auto found = runs_.find(id);
    if (found == runs_.end() || found->second.worker != worker) return false;
    runs_.erase(found);
    return true;
  }
  bool contains(const RequestId& id) const { return runs_.contains(id); }
  void WorkerGone(PeerId worker) {
    std::erase_if(runs_, [&](const auto& entry) { return entry.second.worker == worker; });
  }
  bool IsWarming(PeerId worker) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const auto& entry) { return entry.second.worker == worker; });
  }

 private:
  struct Run {
    PeerId worker = 0;
    std::shared_ptr<const void> keep_alive;
  };

  const uint64_t salt_;
  std::map<RequestId, Run> runs_;
  uint64_t last_number_ = 0;
};

}  // namespace promptcache
