// A committed blob on disk. Internal to cachestore/disk.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "cachestore/catalog/blob_table.h"
#include "cachestore/disk/database.h"
#include "cachestore/disk/generations.h"
#include "cachestore/disk/manifest.h"

namespace promptcache::internal {

// Once it was dropped its chunks go with the last one who holds it.
struct DiskBlob : StoredBlob {
  struct Place {
    std::shared_ptr<Database> database;
    Generation generation;
    std::string file;  // empty when the chunks share files with others'
  };
  DiskBlob(Place place_in, Manifest manifest_in);
  ~DiskBlob() override;
  DiskBlob(const DiskBlob&) = delete;
  DiskBlob& operator=(const DiskBlob&) = delete;

  const Place place;
  const Manifest manifest;
  mutable std::atomic<bool> dropped = false;
};

}  // namespace promptcache::internal
