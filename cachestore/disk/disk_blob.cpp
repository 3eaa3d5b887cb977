#include "cachestore/disk/disk_blob.h"

#include "common/log.h"

namespace promptcache::internal {

DiskBlob::DiskBlob(Place place_in, Manifest manifest_in)
    : place(std::move(place_in)), manifest(std::move(manifest_in)) {
  info = manifest.info;
}

DiskBlob::~DiskBlob() {
  if (!dropped) return;
  const Status status = manifest.own_file ? place.database->DropFiles({&manifest.generation, 1})
                                          : place.database->DropShared(manifest.generation);
  if (status.ok()) return;
  // The next opening, or a collection of garbage, finds them.
  Log(LogLevel::kWarning, "store.chunks_left",
      {{"generation", manifest.generation}, {"reason", status.message()}});
}

}  // namespace promptcache::internal
