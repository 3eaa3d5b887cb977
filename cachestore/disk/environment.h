// What a store on disk uses of the machine, so that tests can take it away. Internal to
// cachestore/disk.
#pragma once

#include <rocksdb/env.h>

#include <cstdint>
#include <functional>
#include <string>

#include "common/status.h"

namespace promptcache::internal {

// Bytes that this process may still write to the file system of a directory.
Result<uint64_t> FreeBytes(const std::string& directory);

struct DiskEnvironment {
  rocksdb::Env* env = rocksdb::Env::Default();  // outlives the store
  std::function<Result<uint64_t>(const std::string&)> free_bytes = FreeBytes;
};

}  // namespace promptcache::internal
