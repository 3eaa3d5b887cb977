#include "cachestore/disk/commit_queue.h"

#include "cachestore/disk/disk_blob.h"

namespace promptcache::internal {

Status CommitQueue::Commit(PendingCommit commit) {
  Waiting self{.commit = std::move(commit)};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&self);
  done_.wait(lock, [&] { return self.done || !writing_; });
  if (self.done) return self.status;
  const Group group = std::exchange(waiting_, {});
  writing_ = true;
  lock.unlock();
  const Status status = WriteGroup(group);
  lock.lock();
  writing_ = false;
  for (Waiting* one : group) {
    one->status = status;
    one->done = true;
  }
  done_.notify_all();
  return status;
}

Status CommitQueue::WriteGroup(const Group& group) {
  std::vector<std::string> incoming;
  for (const Waiting* one : group) incoming.push_back(one->commit.incoming);
  const Result<std::vector<std::string>> files = database_->Ingest(incoming);
  if (!files.ok()) {
    for (const Waiting* one : group) {
      table_.EndPut(one->commit.manifest.info.key, one->commit.manifest.info.bytes);
    }
    return files.status();
  }
  std::vector<NewBlob> blobs;
  for (size_t i = 0; i < group.size(); ++i) {
    PendingCommit& commit = group[i]->commit;
    DiskBlob::Place place{database_, std::move(commit.generation), (*files)[i]};
    blobs.push_back({std::make_shared<DiskBlob>(std::move(place), std::move(commit.manifest)),
                     std::move(commit.imports)});
  }
  return table_.Commit(blobs, [&](std::span<const KeyedUse> uses) {
    const Status written = WriteManifests(blobs, uses);
    // Nobody names these files: they go with the blobs.
    if (!written.ok()) {
      for (const NewBlob& one : blobs) static_cast<DiskBlob&>(*one.blob).dropped = true;
    }
    return written;
  });
}

Status CommitQueue::WriteManifests(std::span<const NewBlob> blobs, std::span<const KeyedUse> uses) {
  rocksdb::WriteBatch batch;
  for (size_t i = 0; i < blobs.size(); ++i) {
    const auto& blob = static_cast<const DiskBlob&>(*blobs[i].blob);
    const UnitKey& key = blob.info.key;
    PC_RETURN_IF_ERROR(FromRocks(
        batch.Put(database_->meta(), ManifestKey(key), EncodeManifest(blob.manifest)), "commit"));
    PC_RETURN_IF_ERROR(
        FromRocks(batch.Put(database_->meta(), UseKey(key), EncodeUse(uses[i].use)), "commit"));
  }
  return database_->WriteSynced(batch, "commit");
}

}  // namespace promptcache::internal
