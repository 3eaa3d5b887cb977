// A coordinator, a cachestore and workers in this process, on sockets as between processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cachestore/store.h"
#include "common/config.h"
#include "common/status.h"
#include "coordinator/served_model.h"
#include "worker/service/worker_service.h"

namespace promptcache {

enum class LinkKind : uint8_t { kIpc, kTcp };

// A model of its own for each worker: real, or one that computes nothing.
using WorkerModelMaker =
    std::function<Result<std::shared_ptr<WorkerModel>>(const WorkerSettings& settings)>;

struct BenchClusterOptions {
  std::string directory;  // for the store and for sockets; there
  LinkKind links = LinkKind::kIpc;
  uint32_t workers = 1;
  WorkerSettings worker = DefaultSettings().worker;  // of each, but for its name and endpoints
  WorkerModelMaker make_model;
  // Of all its processes, as in a cluster's settings. With keys there is one worker.
  SecuritySettings security;
};

// Thread safe. Destruction ends every request.
class BenchCluster {
 public:
  static constexpr const char* kFirstWorker = "bench-0";  // its name

  // Returns when all workers are taken in; kUnavailable after 30 s. kInvalidArgument for keys and
  // several workers; as LoadLinkSecurity for what is wrong with the keys.
  static Result<std::unique_ptr<BenchCluster>> Start(const ServedModel& model,
                                                     const BenchClusterOptions& options);
  virtual ~BenchCluster() = default;
  // Where clients connect.
  virtual const std::string& endpoint() const = 0;
  virtual const Identity& identity() const = 0;  // of the workers
  // The cachestore's own.
  virtual BlobStore& store() = 0;
};

}  // namespace promptcache
