#include "cachestore/disk/commit_queue.h"

#include "cachestore/disk/disk_blob.h"

namespace promptcache::internal {

Status CommitQueue::Commit(PendingCommit commit) {
  const BlobInfo& info = commit.manifest.info;
  Waiting self{.key = info.key, .bytes = info.bytes};
  self.commit = std::move(commit);
  std::unique_lock lock(mutex_);
  waiting_.push_back(&self);
  done_.wait(lock, [&] { return self.done || !writing_; });
  if (self.done) return self.status.value();
  const std::vector<Waiting*> group = std::exchange(waiting_, {});
  writing_ = true;
  lock.unlock();
  try {
    Write(group);
  } catch (const std::exception& error) {
    CutShort(group, error.what());
  }
  lock.lock();
  writing_ = false;
  for (Waiting* one : group) one->done = true;
  done_.notify_all();
  return self.status.value();
}

void CommitQueue::CutShort(Group group, const std::string& why) {
  for (Waiting* one : group) {
    if (one->status) continue;
    table_.AbandonPut(one->key, one->bytes);
    one->status = Internal("the commit was cut short: " + why);
  }
}

size_t CommitQueue::waiting() const {
  std::lock_guard lock(mutex_);
  return waiting_.size();
}

void CommitQueue::Write(Group group) {
  std::vector<std::string> incoming;
  for (const Waiting* one : group) incoming.push_back(one->commit.incoming);
  const Result<std::vector<std::string>> files = database_->Ingest(incoming);
  if (!files.ok() && group.size() > 1) {
    // One bad file is its own writer's alone.
    for (size_t i = 0; i < group.size(); ++i) Write(group.subspan(i, 1));
    return;
  }
  if (!files.ok()) {
    for (const Waiting* one : group) table_.EndPut(one->key, one->bytes);
  }
  const Status status = files.ok() ? Record(group, *files) : files.status();
  for (Waiting* one : group) one->status = status;
}

Status CommitQueue::Record(Group group, std::span<const std::string> files) {
  std::vector<NewBlob> blobs;
  for (size_t i = 0; i < group.size(); ++i) {
    PendingCommit& commit = group[i]->commit;
    DiskBlob::Place place{database_, std::move(commit.generation), files[i]};
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
