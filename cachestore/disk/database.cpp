#include "cachestore/disk/database.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/table.h>

#include <vector>

namespace promptcache::internal {
namespace {

rocksdb::DBOptions MakeDbOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.max_total_wal_size = 64 << 20;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 16 << 20;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // It is also what makes RocksDB go on by itself when a full disk has room again.
  options.sst_file_manager.reset(rocksdb::NewSstFileManager(rocksdb::Env::Default()));
  return options;
}

rocksdb::ColumnFamilyOptions MakeDataOptions() {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 64 << 20;
  options.max_write_buffer_number = 3;
  options.target_file_size_base = 256 << 20;
  options.max_bytes_for_level_base = uint64_t{1} << 30;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // the page cache holds what is hot
  table.checksum = rocksdb::kXXH3;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions MakeMetaOptions() {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 16 << 20;
  options.memtable_protection_bytes_per_key = 8;
  rocksdb::BlockBasedTableOptions table;
  table.checksum = rocksdb::kXXH3;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::string EncodeBigEndian(uint64_t value, size_t width) {
  std::string bytes(width, '\0');
  for (size_t i = 0; i < width; ++i) bytes[width - 1 - i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

Status OpenError(const rocksdb::Status& status, const std::string& directory) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("/LOCK") != std::string::npos) {
    return FailedPrecondition("store directory " + directory +
                              " is in use by another process; only one may write it. Stop the "
                              "other cachestore or choose another store.directory");
  }
  if (status.IsInvalidArgument()) {
    return FailedPrecondition("store directory " + directory +
                              " does not hold a cachestore of this version: " + text);
  }
  return FromRocks(status, "cannot open the store directory " + directory);
}

}  // namespace

Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return {};
  const std::string message = std::string(what) + ": " + status.ToString();
  if (status.IsNotFound()) return NotFound(message);
  if (status.IsCorruption()) return DataLoss(message);
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) {
    return ResourceExhausted("the disk is full: " + message);
  }
  return Unavailable(message);
}

Result<std::shared_ptr<Database>> Database::Open(const std::string& directory, OpenMode mode) {
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions()},
      {"data", MakeDataOptions()},
      {"meta", MakeMetaOptions()}};
  const std::shared_ptr<Database> database(new Database(directory, mode));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      mode == OpenMode::kReadWrite
          ? rocksdb::DB::Open(MakeDbOptions(), directory, families, &handles, &db)
          : rocksdb::DB::OpenForReadOnly(MakeDbOptions(), directory, families, &handles, &db);
  if (!status.ok()) return OpenError(status, directory);
  database->db_.reset(db);
  database->default_ = handles[0];
  database->data_ = handles[1];
  database->meta_ = handles[2];
  return database;
}

Database::~Database() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* handle : {default_, data_, meta_}) {
    // Fails only for a null handle.
    (void)db_->DestroyColumnFamilyHandle(handle);
  }
  // Committed blobs are durable already; a failure here loses nothing that was promised.
  (void)db_->Close();
}

Status Database::CheckWritable() const {
  if (mode_ == OpenMode::kReadWrite) return {};
  return FailedPrecondition("the store in " + directory_ + " is open for reading only");
}

Result<std::string> Database::GetMeta(const std::string& key,
                                      const rocksdb::Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  PC_RETURN_IF_ERROR(FromRocks(db_->Get(options, meta_, key, &value), "read from " + directory_));
  return value;
}

Status Database::WriteSynced(rocksdb::WriteBatch& batch, std::string_view what) {
  PC_RETURN_IF_ERROR(CheckWritable());
  rocksdb::WriteOptions options;
  options.sync = true;
  return FromRocks(db_->Write(options, &batch), what);
}

Status Database::DropGenerations(rocksdb::WriteBatch& batch, uint64_t first, uint64_t end) {
  return FromRocks(batch.DeleteRange(data_, ChunkKey(first, 0), ChunkKey(end, 0)), "drop chunks");
}

std::string ChunkKey(uint64_t generation, uint32_t chunk) {
  return EncodeBigEndian(generation, 8) + EncodeBigEndian(chunk, 4);
}

uint64_t GenerationOfChunkKey(std::string_view chunk_key) {
  uint64_t generation = 0;
  for (char byte : chunk_key.substr(0, 8))
    generation = generation << 8 | static_cast<uint8_t>(byte);
  return generation;
}

std::string ManifestKey(const Digest256& unit) {
  std::string key(1, kManifestTag);
  key.append(reinterpret_cast<const char*>(unit.bytes.data()), unit.bytes.size());
  return key;
}

std::string RecordKey(const std::string& key) { return kRecordTag + key; }

std::string EncodeNumber(uint64_t value) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

uint64_t DecodeNumber(std::string_view bytes) {
  if (bytes.size() < 8) return 0;
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return value;
}

}  // namespace promptcache::internal
