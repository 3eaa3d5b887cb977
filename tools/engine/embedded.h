// The whole system in one process: coordinator, one worker and a cachestore, talking over inproc://
// exactly as the separate processes talk over TCP. What `promptcache run` and `promptcache bench`
// use.
#pragma once

#include <memory>
#include <string>

#include "cachestore/store.h"
#include "cluster/client/client.h"
#include "common/config.h"
#include "common/status.h"
#include "common/text/tokenizer.h"
#include "common/types.h"

namespace promptcache {

struct EmbeddedOptions {
  std::string model;           // GGUF file
  std::string dtype = "auto";  // "auto", "fp32", "bf16"
  std::string device = "cpu";
  int threads = 0;                         // 0: one per core
  std::string store_directory;             // empty: units and schemas live in memory only
  std::string store_compression = "none";  // "none", "zstd", "int8", "int8-zstd"
  uint64_t unit_cache_bytes = uint64_t{4} << 30;
  uint32_t prefill_chunk_tokens = 4096;
};

// Of a worker that runs this model; without endpoints.
WorkerSettings WorkerSettingsOf(const EmbeddedOptions& options);

// Thread safe but for RestartWorker.
class EmbeddedSystem {
 public:
  // Starts everything and returns when the worker is ready. Errors name the part that failed.
  static Result<std::unique_ptr<EmbeddedSystem>> Start(const EmbeddedOptions& options);
  virtual ~EmbeddedSystem() = default;

  virtual Client& client() = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  virtual const Identity& identity() const = 0;  // of the worker: weights, dtype, ...
  virtual BlobStore& store() = 0;                // as the worker has it: through the service

  // Waits until the store holds every unit of `usage` durably. kDeadlineExceeded after 30 s,
  // kFailedPrecondition without a store.
  virtual Status WaitCommitted(const Usage& usage) = 0;
  // A worker with empty memory takes the place of the present one, as after a crash; the loaded
  // weights are kept, so that only what is measured starts cold.
  virtual Status RestartWorker() = 0;
  // Asks the system to forget the store's files in the page cache.
  virtual Status DropPageCache() = 0;
};

}  // namespace promptcache
