// A coordinator, a cachestore and workers with the fake engine in this process, on sockets as
// between processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "coordinator/served_model.h"
#include "tools/fake_engine/fake_worker_model.h"

namespace promptcache {

enum class LinkKind : uint8_t { kIpc, kTcp };

struct FakeClusterOptions {
  std::string directory;  // for the store and for sockets; there
  LinkKind links = LinkKind::kIpc;
  uint32_t workers = 2;
  uint32_t slots = 64;  // of each
  FakeWorkerOptions fake;
};

// Thread safe. Destruction ends every request.
class FakeCluster {
 public:
  // Returns when all workers are taken in; kUnavailable after 30 s.
  static Result<std::unique_ptr<FakeCluster>> Start(const ServedModel& model,
                                                    const FakeClusterOptions& options);
  virtual ~FakeCluster() = default;
  // Where clients connect.
  virtual const std::string& endpoint() const = 0;
};

}  // namespace promptcache
