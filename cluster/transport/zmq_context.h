// What the sockets of a process share. Internal to cluster/transport.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "cluster/transport/zmq_transport.h"

namespace promptcache {

class TransportContext::Impl {
 public:
  explicit Impl(void* context) : context_(context) {}
  ~Impl();

  void* context() const { return context_; }

  // Which inproc names are bound now: ZeroMQ itself would queue for a name that nobody has.
  // Thread safe.
  void AddInproc(const std::string& endpoint);
  void RemoveInproc(const std::string& endpoint);
  uint64_t InprocGeneration(const std::string& endpoint) const;  // 0: not bound

 private:
  void* const context_;
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> inproc_;  // guarded by mutex_
  uint64_t last_generation_ = 0;            // guarded by mutex_
};

}  // namespace promptcache
