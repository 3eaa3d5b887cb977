#include "cachestore/disk/generations.h"

#include <algorithm>

namespace promptcache::internal {
namespace {

constexpr uint64_t kBatch = 1024;
const char* const kReservedKey = "sreserved";
const char* const kSweptKey = "sswept";

Result<uint64_t> ReadNumber(const Database& database, const char* key) {
  const Result<std::string> value = database.GetMeta(key);
  if (value.status().code() == Code::kNotFound) return uint64_t{1};
  PC_RETURN_IF_ERROR(value.status());
  if (value->size() != 8) return DataLoss(std::string("store record ") + key + " is damaged");
  return DecodeNumber(*value);
}

Status WriteNumber(Database& database, const char* key, uint64_t value) {
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(batch.Put(database.meta(), key, EncodeNumber(value)), key));
  return database.WriteSynced(batch, "write store records");
}

}  // namespace

Result<uint64_t> Generations::Sweep(const std::vector<uint64_t>& live) {
  std::lock_guard lock(mutex_);
  PC_ASSIGN_OR_RETURN(reserved_, ReadNumber(*database_, kReservedKey));
  PC_ASSIGN_OR_RETURN(const uint64_t swept, ReadNumber(*database_, kSweptKey));
  rocksdb::WriteBatch batch;
  uint64_t unfinished = 0;
  uint64_t gap = swept;
  for (auto it = std::lower_bound(live.begin(), live.end(), swept); it != live.end(); ++it) {
    PC_ASSIGN_OR_RETURN(const uint64_t found, SweepGap(batch, gap, *it));
    unfinished += found;
    gap = *it + 1;
  }
  // A manifest's generation can pass the reservation only when that record was damaged.
  reserved_ = std::max(reserved_, gap);
  PC_ASSIGN_OR_RETURN(const uint64_t found, SweepGap(batch, gap, reserved_));
  unfinished += found;
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "drop unfinished puts"));
  PC_RETURN_IF_ERROR(WriteNumber(*database_, kSweptKey, reserved_));
  next_ = reserved_;
  return unfinished;
}

Status Generations::ForgetSwept(rocksdb::WriteBatch& batch) {
  return FromRocks(batch.Delete(database_->meta(), kSweptKey), "forget what was swept");
}

Result<uint64_t> Generations::SweepGap(rocksdb::WriteBatch& batch, uint64_t first, uint64_t end) {
  if (first >= end) return uint64_t{0};
  uint64_t found = 0;
  const std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator({}, database_->data()));
  for (it->Seek(ChunkKey(first, 0)); it->Valid();) {
    const uint64_t generation = GenerationOfChunkKey(it->key().ToStringView());
    if (generation >= end) break;
    ++found;
    it->Seek(ChunkKey(generation + 1, 0));
  }
  // Damaged chunks of an unfinished put matter to nobody: the range is dropped all the same.
  if (found > 0 || !it->status().ok()) {
    PC_RETURN_IF_ERROR(database_->DropGenerations(batch, first, end));
  }
  return found;
}

Result<uint64_t> Generations::Next() {
  std::lock_guard lock(mutex_);
  if (next_ >= reserved_) {
    PC_RETURN_IF_ERROR(WriteNumber(*database_, kReservedKey, next_ + kBatch));
    reserved_ = next_ + kBatch;
  }
  return next_++;
}

}  // namespace promptcache::internal
