// Other ways to keep blobs in RocksDB, measured beside the one that was chosen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct LayoutTrial {
  std::string name;
  std::vector<double> put_seconds;   // each blob durable when it ends
  std::vector<double> read_seconds;  // each blob, its chunks hashed
  double write_amplification = 0;    // bytes written a byte of blobs
};

struct LayoutTrialOptions {
  std::string directory;  // empty; left empty
  uint64_t blob_bytes = 4 << 20;
  uint32_t blobs = 64;         // that are kept
  uint32_t replacements = 64;  // each of which makes the oldest go
};

// By turns: a table file a blob, ingested; a memtable that is flushed with each blob, with leveled
// compaction; the same with FIFO compaction. Chunks of 1 MiB, no log, XXH3.
Result<std::vector<LayoutTrial>> TryLayouts(const LayoutTrialOptions& options);

}  // namespace promptcache
