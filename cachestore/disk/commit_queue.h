// Commits that arrive together are made durable together. Internal to cachestore/disk.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cachestore/catalog/blob_table.h"
#include "cachestore/disk/database.h"
#include "cachestore/disk/generations.h"
#include "cachestore/disk/manifest.h"

namespace promptcache::internal {

// A put whose file is complete.
struct PendingCommit {
  std::string incoming;  // the path of its file
  Generation generation;
  Manifest manifest;
  std::vector<Import> imports;
};

// Thread safe. The first of several callers writes for all that wait: one ingestion and one synced
// write of manifests, however many they are. Nobody waits for others to come.
class CommitQueue {
 public:
  CommitQueue(std::shared_ptr<Database> database, BlobTable& table)
      : database_(std::move(database)), table_(table) {}

  // OK: the blob is durable and in the table. The put has ended in any case.
  Status Commit(PendingCommit commit);
  // Commits that wait for those being written.
  size_t waiting() const;

 private:
  struct Waiting {
    UnitKey key;
    uint64_t bytes = 0;
    PendingCommit commit;
    std::optional<Status> status;
    bool done = false;
  };
  using Group = std::span<Waiting* const>;

  // Sets the status of each, or throws what the standard library does.
  void Write(Group group);
  // Ends those that have no status.
  void CutShort(Group group, const std::string& why);
  // Makes blobs of files that are in the database.
  Status Record(Group group, std::span<const std::string> files);
  Status WriteManifests(std::span<const NewBlob> blobs, std::span<const KeyedUse> uses);

  const std::shared_ptr<Database> database_;
  BlobTable& table_;

  mutable std::mutex mutex_;
  std::condition_variable done_;
  // Guarded by mutex_.
  std::vector<Waiting*> waiting_;
  bool writing_ = false;
};

}  // namespace promptcache::internal
