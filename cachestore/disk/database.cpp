#include "cachestore/disk/database.h"

#include <rocksdb/convenience.h>
#include <rocksdb/listener.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "common/log.h"

namespace promptcache::internal {
namespace {

constexpr char kVersionKey[] = "sversion";
constexpr char kJournalName[] = "journal";
constexpr char kIncoming[] = "incoming";

rocksdb::DBOptions MakeDbOptions(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = 2;
  // So that syncing a long file finds most of it written.
  options.bytes_per_sync = 1 << 20;
  options.max_open_files = 512;
  options.max_total_wal_size = 64 << 20;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 16 << 20;
  options.db_host_id = "";
  // One damaged file must not make the others unreadable: each blob is checked by itself.
  options.paranoid_checks = false;
  // Without those checks a log is not read up to its first damage, but past it: the records of the
  // damaged block (32 KiB) are lost, and later ones are found where blocks still begin as they
  // should. After a torn write they do not; see LeaveTornLog.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  return options;
}

rocksdb::ColumnFamilyOptions MakeDataOptions() {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  options.disable_auto_compactions = true;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // the page cache holds what is hot
  table.checksum = rocksdb::kXXH3;
  table.block_size = 1;  // a block for each chunk, so that its bytes lie where they are expected
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions MakeRecordOptions() {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 16 << 20;
  options.max_write_buffer_number = 8;  // logs may be torn one soon after the other
  options.memtable_protection_bytes_per_key = 8;
  // A table with a damaged block is never compacted again: writes must not wait for that.
  options.level0_slowdown_writes_trigger = std::numeric_limits<int>::max();
  options.level0_stop_writes_trigger = std::numeric_limits<int>::max();
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

std::string TaggedKey(char tag, const Digest256& unit) {
  std::string key(1, tag);
  key.append(reinterpret_cast<const char*>(unit.bytes.data()), unit.bytes.size());
  return key;
}

Status OpenError(const rocksdb::Status& status, const std::string& directory) {
  const std::string text = status.ToString();
  if (text.find("a file for lock") != std::string::npos) {
    return Unavailable("store directory " + directory + " cannot be locked: " + text +
                       "; let this user write it, or choose another store.directory");
  }
  if (status.IsIOError() && text.find("/LOCK") != std::string::npos) {
    return FailedPrecondition("store directory " + directory +
                              " is in use by another process; only one may write it. Stop the "
                              "other cachestore or choose another store.directory");
  }
  if (status.IsPathNotFound()) return DataLoss("a part of " + directory + " is gone: " + text);
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
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

// Tells where a file went that was ingested, and how often a log could not be written.
class Database::Listener : public rocksdb::EventListener {
 public:
  // Called by the thread that writes, before RocksDB lets the next writer at the log.
  bool ShouldBeNotifiedOnFileIO() override { return true; }
  void OnIOError(const rocksdb::IOErrorInfo& info) override {
    if (info.file_path.ends_with(".log")) ++log_errors_;
  }
  uint64_t log_errors() const { return log_errors_; }

  void OnExternalFileIngested(rocksdb::DB* /*db*/,
                              const rocksdb::ExternalFileIngestionInfo& info) override {
    std::lock_guard lock(mutex_);
    places_[info.external_file_path] = info.internal_file_path;
  }
  std::string Take(const std::string& incoming) {
    std::lock_guard lock(mutex_);
    auto node = places_.extract(incoming);
    return node.empty() ? std::string() : std::move(node.mapped());
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> places_;
  std::atomic<uint64_t> log_errors_ = 0;
};

Database::Database(DatabaseOptions options)
    : options_(std::move(options)),
      listener_(std::make_shared<Listener>()),
      statistics_(rocksdb::CreateDBStatistics()) {
  statistics_->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
}

Result<std::shared_ptr<Database>> Database::Open(const DatabaseOptions& options) {
  const std::shared_ptr<Database> database(new Database(options));
  PC_RETURN_IF_ERROR(database->OpenFamilies());
  PC_RETURN_IF_ERROR(database->CheckVersion());
  if (options.mode == OpenMode::kReadOnly) return database;
  // Files of puts that never came so far as to be ingested.
  const std::filesystem::path incoming = std::filesystem::path(options.directory) / kIncoming;
  std::error_code error;
  std::filesystem::remove_all(incoming, error);
  std::filesystem::create_directory(incoming, error);
  if (error) return Unavailable("cannot create " + incoming.string() + ": " + error.message());
  return database;
}

Status Database::OpenFamilies() {
  rocksdb::DBOptions db_options = MakeDbOptions(options_.environment->env);
  db_options.statistics = statistics_;
  db_options.listeners.push_back(listener_);
  std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions()},
      {"data", MakeDataOptions()},
      {"meta", MakeRecordOptions()}};
  const bool writing = options_.mode == OpenMode::kReadWrite;
  std::vector<std::string> names;
  const bool known = rocksdb::DB::ListColumnFamilies(db_options, directory(), &names).ok();
  const bool has_journal = std::find(names.begin(), names.end(), kJournalName) != names.end();
  if (writing || !known || has_journal) families.push_back({kJournalName, MakeRecordOptions()});
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      writing ? rocksdb::DB::Open(db_options, directory(), families, &handles_, &db)
              : rocksdb::DB::OpenForReadOnly(db_options, directory(), families, &handles_, &db);
  if (!status.ok()) return OpenError(status, directory());
  db_.reset(db);
  data_ = handles_[1];
  meta_ = handles_[2];
  if (handles_.size() > 3) journal_ = handles_[3];
  table_options_ = db_->GetOptions(data_);
  return {};
}

Status Database::CheckVersion() {
  const Result<std::string> bytes = GetMeta(kVersionKey);
  uint64_t version = 1;  // which wrote no number
  if (bytes.ok()) {
    version = DecodeNumber(*bytes);
  } else if (bytes.status().code() == Code::kDataLoss) {
    // Blobs are not given up for a number: each manifest has a version of its own.
    Log(LogLevel::kWarning, "store.version_unreadable", {{"reason", bytes.status().message()}});
  } else if (bytes.status().code() != Code::kNotFound) {
    return bytes.status();
  }
  if (version > kDirectoryVersion) {
    return FailedPrecondition("store directory " + directory() + " is of format " +
                              std::to_string(version) + ", this version reads up to " +
                              std::to_string(kDirectoryVersion) +
                              "; use the version that wrote it, or choose another directory");
  }
  is_marked_ = bytes.ok() && version == kDirectoryVersion;
  return {};
}

Status Database::MarkVersion() {
  if (is_marked_) return {};
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(
      FromRocks(batch.Put(meta_, kVersionKey, EncodeNumber(kDirectoryVersion)), kVersionKey));
  return WriteSynced(batch, "write the version of " + directory());
}

Database::~Database() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    // Fails only for a null handle.
    (void)db_->DestroyColumnFamilyHandle(handle);
  }
  // Committed blobs are durable already; a failure here loses nothing that was promised.
  (void)db_->Close();
}

std::string Database::IncomingPath(uint64_t generation) const {
  return directory() + "/" + kIncoming + "/" + std::to_string(generation) + ".sst";
}

Result<uint64_t> Database::FreeBytes() const {
  return options_.environment->free_bytes(directory());
}

Status Database::CheckWritable() const {
  if (options_.mode == OpenMode::kReadOnly) {
    return FailedPrecondition("the store in " + directory() + " is open for reading only");
  }
  if (options_.min_free_bytes == 0) return {};
  const Result<uint64_t> free = FreeBytes();
  if (!free.ok() || *free >= options_.min_free_bytes) return {};
  return ResourceExhausted("the disk of " + directory() + " is full: " + std::to_string(*free) +
                           " bytes are free; the store only reads until there are " +
                           std::to_string(options_.min_free_bytes));
}

Result<std::string> Database::GetMeta(const std::string& key) const {
  std::string value;
  PC_RETURN_IF_ERROR(FromRocks(db_->Get({}, meta_, key, &value), "read from " + directory()));
  return value;
}

Status Database::WriteSynced(rocksdb::WriteBatch& batch, std::string_view what) {
  PC_RETURN_IF_ERROR(CheckWritable());
  rocksdb::WriteOptions options;
  options.sync = true;
  for (;;) {
    const uint64_t errors = left_log_errors_;
    PC_RETURN_IF_ERROR(FromRocks(db_->Write(options, &batch), what));
    if (listener_->log_errors() == errors) return {};
    PC_RETURN_IF_ERROR(LeaveTornLog(errors));
  }
}

Status Database::LeaveTornLog(uint64_t known_errors) {
  std::lock_guard lock(log_mutex_);
  if (left_log_errors_ != known_errors) return {};  // another writer did
  const uint64_t errors = listener_->log_errors();
  rocksdb::FlushOptions options;
  options.wait = false;  // for the new log; RocksDB might wait for the tables without end
  options.allow_write_stall = true;
  PC_RETURN_IF_ERROR(FromRocks(db_->Flush(options, {data_, meta_, journal_}), "leave a torn log"));
  left_log_errors_ = errors;
  return {};
}

Result<std::vector<std::string>> Database::Ingest(std::span<const std::string> incoming) {
  PC_RETURN_IF_ERROR(CheckWritable());
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.failed_move_fall_back_to_copy = false;
  options.snapshot_consistency = false;  // nobody reads a generation before its manifest
  options.write_global_seqno = false;
  uint64_t total = 0;
  for (const std::string& path : incoming) {
    uint64_t bytes = 0;
    if (env().GetFileSize(path, &bytes).ok()) total += bytes;
  }
  PC_RETURN_IF_ERROR(FromRocks(
      db_->IngestExternalFile(data_, {incoming.begin(), incoming.end()}, options), "ingest"));
  ingested_bytes_ += total;
  std::vector<std::string> places;
  for (const std::string& path : incoming) places.push_back(listener_->Take(path));
  return places;
}

Status Database::DropFiles(std::span<const uint64_t> generations) {
  PC_RETURN_IF_ERROR(CheckWritable());
  std::vector<std::string> keys;
  for (const uint64_t generation : generations) {
    keys.push_back(ChunkKey(generation, 0));
    keys.push_back(ChunkKey(generation, UINT32_MAX));
  }
  std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::RangePtr> ranges;
  for (size_t i = 0; i < slices.size(); i += 2) ranges.emplace_back(&slices[i], &slices[i + 1]);
  return FromRocks(rocksdb::DeleteFilesInRanges(db_.get(), data_, ranges.data(), ranges.size()),
                   "drop files");
}

Status Database::DropShared(uint64_t generation) {
  const std::string first = ChunkKey(generation, 0);
  const std::string end = ChunkKey(generation + 1, 0);
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(batch.DeleteRange(data_, first, end), "drop chunks"));
  PC_RETURN_IF_ERROR(WriteSynced(batch, "drop chunks"));
  const rocksdb::Slice from(first);
  const rocksdb::Slice to(end);
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  return FromRocks(db_->CompactRange(options, data_, &from, &to), "rewrite chunks");
}

std::vector<DataFile> Database::DataFiles() const {
  rocksdb::ColumnFamilyMetaData description;
  db_->GetColumnFamilyMetaData(data_, &description);
  std::vector<DataFile> files;
  for (const auto& level : description.levels) {
    for (const rocksdb::SstFileMetaData& file : level.files) {
      if (file.smallestkey.size() < 8 || file.largestkey.size() < 8) continue;
      files.push_back({.path = file.db_path + file.name,
                       .bytes = file.size,
                       .first_generation = GenerationOfChunkKey(file.smallestkey),
                       .last_generation = GenerationOfChunkKey(file.largestkey)});
    }
  }
  return files;
}

uint64_t Database::WrittenBytes() const {
  uint64_t bytes = ingested_bytes_;
  for (const auto ticker :
       {rocksdb::WAL_FILE_BYTES, rocksdb::FLUSH_WRITE_BYTES, rocksdb::COMPACT_WRITE_BYTES}) {
    bytes += statistics_->getTickerCount(ticker);
  }
  return bytes;
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

std::string ManifestKey(const Digest256& unit) { return TaggedKey(kManifestTag, unit); }

std::string UseKey(const Digest256& unit) { return TaggedKey(kUseTag, unit); }

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
