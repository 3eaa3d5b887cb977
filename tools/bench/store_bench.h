// How fast a cachestore is, next to plain files of the same sizes in the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cachestore/disk/layout_trial.h"
#include "cachestore/service/remote_store.h"
#include "common/status.h"
#include "tools/bench/series.h"

namespace promptcache {

struct StoreBenchOptions {
  std::string directory;  // empty; on the disk to be measured
  std::vector<uint64_t> sizes_mib = {4, 64};
  uint64_t total_mib = 256;       // of blobs of each size
  int rounds = 3;                 // of reading
  uint32_t small_blobs = 10'000;  // for opening and listing; 0: leave it out
  std::vector<uint32_t> readers = {2, 64};
  bool layouts = false;  // also other ways to lay blobs out in RocksDB
};

// All in bytes a second, one sample a blob.
struct StoreBenchSize {
  uint64_t bytes = 0;  // of a blob
  uint32_t blobs = 0;
  Series file_write;        // write and fdatasync
  Series store_put;         // durable when it returns
  Series file_read;         // pread into a buffer that is there
  Series store_read;        // into the same buffer, every byte verified
  Series store_pinned;      // verified, in the store's own memory
  Series tcp_read;          // through the service, over its bare connections
  Series message_read;      // through the service in messages, as where links have keys
  Series bare_tcp;          // as many bytes of nothing over a tcp connection
  Series window_read;       // through the service, in shared memory
  double stolen_share = 0;  // while they were read, as StolenShare
};

struct ParallelReads {
  uint32_t readers = 0;
  double bytes_per_second = 0;
  double lock_wait_share = 0;  // of all threads' time
};

struct StoreBenchReport {
  std::string cpu;
  std::vector<StoreBenchSize> sizes;
  std::vector<ParallelReads> parallel;
  std::vector<LayoutTrial> layouts;  // of blobs of 4 MiB
  uint32_t small_blobs = 0;
  double small_put_seconds = 0;
  double open_seconds = 0;
  double list_seconds = 0;
  double write_amplification = 0;  // of the blobs of `sizes`
  RemoteReads streamed;            // of the readers over tcp
  RemoteReads shared;              // of those through shared memory
};

using StoreBenchProgress = std::function<void(const std::string& line)>;

// Leaves the directory as it found it. kInvalidArgument for sizes of 0 or a directory with files.
Result<StoreBenchReport> MeasureStore(const StoreBenchOptions& options,
                                      const StoreBenchProgress& progress);

nlohmann::json StoreBenchToJson(const StoreBenchReport& report);
std::string RenderStoreBench(const StoreBenchReport& report);

}  // namespace promptcache
