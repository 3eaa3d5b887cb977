#include "cachestore/disk/layout_trial.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <random>

#include "cachestore/disk/database.h"
#include "cachestore/disk/manifest.h"

namespace promptcache {
namespace {

using internal::ChunkKey;
using internal::FromRocks;
using internal::kChunkBytes;

enum class Layout { kFileABlob, kLeveled, kFifo };
constexpr const char* kNames[] = {"a table file a blob, ingested",
                                  "memtable and flush, leveled compaction",
                                  "memtable and flush, FIFO compaction"};

class Trial {
 public:
  Trial(Layout layout, const LayoutTrialOptions& options) : layout_(layout), options_(options) {
    blob_.resize(options.blob_bytes);
    std::mt19937_64 random(1);
    std::generate(blob_.begin(), blob_.end(), [&] { return static_cast<char>(random()); });
  }

  Result<LayoutTrial> Run() {
    PC_RETURN_IF_ERROR(Open());
    for (uint64_t generation = 1; generation <= options_.blobs + options_.replacements;
         ++generation) {
      PC_RETURN_IF_ERROR(Timed(trial_.put_seconds, [&] { return Put(generation); }));
      if (generation > options_.blobs) PC_RETURN_IF_ERROR(Drop(generation - options_.blobs));
    }
    for (uint32_t i = 1; i <= options_.blobs; ++i) {
      const uint64_t generation = options_.replacements + i;
      PC_RETURN_IF_ERROR(Timed(trial_.read_seconds, [&] { return Read(generation); }));
    }
    rocksdb::CompactRangeOptions all;
    if (layout_ == Layout::kLeveled) {
      PC_RETURN_IF_ERROR(FromRocks(db_->CompactRange(all, nullptr, nullptr), "compact"));
    }
    uint64_t written = ingested_;
    for (const auto ticker : {rocksdb::FLUSH_WRITE_BYTES, rocksdb::COMPACT_WRITE_BYTES}) {
      written += statistics_->getTickerCount(ticker);
    }
    trial_.write_amplification =
        static_cast<double>(written) /
        static_cast<double>(options_.blob_bytes * (options_.blobs + options_.replacements));
    trial_.name = kNames[static_cast<size_t>(layout_)];
    return std::move(trial_);
  }

 private:
  template <typename Work>
  static Status Timed(std::vector<double>& seconds, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    const Status status = work();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    seconds.push_back(passed.count());
    return status;
  }

  Status Open() {
    rocksdb::Options& options = rocks_;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = 64 << 20;
    options.statistics = statistics_;
    rocksdb::BlockBasedTableOptions table;
    table.no_block_cache = true;
    table.checksum = rocksdb::kXXH3;
    if (layout_ == Layout::kFileABlob) table.block_size = 1;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.disable_auto_compactions = layout_ == Layout::kFileABlob;
    if (layout_ == Layout::kFifo) {
      options.compaction_style = rocksdb::kCompactionStyleFIFO;
      options.compaction_options_fifo.max_table_files_size =
          options_.blob_bytes * options_.blobs * 2;
    }
    rocksdb::DB* db = nullptr;
    const Status status =
        FromRocks(rocksdb::DB::Open(options, options_.directory + "/db", &db), "open");
    db_.reset(db);
    return status;
  }

  template <typename PutChunk>
  Status ForEachChunk(uint64_t generation, const PutChunk& put) const {
    for (uint64_t at = 0, number = 0; at < blob_.size(); at += kChunkBytes, ++number) {
      const rocksdb::Slice chunk(blob_.data() + at, std::min(kChunkBytes, blob_.size() - at));
      PC_RETURN_IF_ERROR(
          FromRocks(put(ChunkKey(generation, static_cast<uint32_t>(number)), chunk), "put"));
    }
    return {};
  }

  Status Put(uint64_t generation) {
    if (layout_ != Layout::kFileABlob) {
      rocksdb::WriteOptions unlogged;
      unlogged.disableWAL = true;
      PC_RETURN_IF_ERROR(ForEachChunk(generation, [&](const std::string& key, const auto& chunk) {
        return db_->Put(unlogged, key, chunk);
      }));
      return FromRocks(db_->Flush({}), "flush");
    }
    const std::string path = options_.directory + "/incoming.sst";
    rocksdb::SstFileWriter file(rocksdb::EnvOptions(rocks_), rocks_, nullptr, false);
    PC_RETURN_IF_ERROR(FromRocks(file.Open(path), "create"));
    PC_RETURN_IF_ERROR(ForEachChunk(generation, [&](const std::string& key, const auto& chunk) {
      return file.Put(key, chunk);
    }));
    PC_RETURN_IF_ERROR(FromRocks(file.Finish(), "finish"));
    ingested_ += file.FileSize();
    rocksdb::IngestExternalFileOptions ingest;
    ingest.move_files = true;
    ingest.write_global_seqno = false;
    return FromRocks(db_->IngestExternalFile({path}, ingest), "ingest");
  }

  Status Drop(uint64_t generation) {
    const std::string first = ChunkKey(generation, 0);
    const std::string last = ChunkKey(generation, UINT32_MAX);
    if (layout_ == Layout::kFifo) return {};  // goes by age, whatever it is
    if (layout_ == Layout::kLeveled) {
      rocksdb::WriteOptions unlogged;
      unlogged.disableWAL = true;
      return FromRocks(db_->DeleteRange(unlogged, db_->DefaultColumnFamily(), first, last), "drop");
    }
    const rocksdb::Slice begin(first);
    const rocksdb::Slice end(last);
    return FromRocks(
        rocksdb::DeleteFilesInRange(db_.get(), db_->DefaultColumnFamily(), &begin, &end), "drop");
  }

  Status Read(uint64_t generation) {
    return ForEachChunk(generation, [&](const std::string& key, const rocksdb::Slice& chunk) {
      rocksdb::PinnableSlice value;
      const rocksdb::Status status = db_->Get({}, db_->DefaultColumnFamily(), key, &value);
      if (!status.ok()) return status;
      const std::span bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size());
      const std::span sent(reinterpret_cast<const uint8_t*>(chunk.data()), chunk.size());
      return Xxh3_128(bytes) == Xxh3_128(sent) ? status : rocksdb::Status::Corruption("differs");
    });
  }

  const Layout layout_;
  const LayoutTrialOptions& options_;
  const std::shared_ptr<rocksdb::Statistics> statistics_ = rocksdb::CreateDBStatistics();
  rocksdb::Options rocks_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<char> blob_;
  uint64_t ingested_ = 0;
  LayoutTrial trial_;
};

}  // namespace

Result<std::vector<LayoutTrial>> TryLayouts(const LayoutTrialOptions& options) {
  std::vector<LayoutTrial> trials;
  for (const Layout layout : {Layout::kFileABlob, Layout::kLeveled, Layout::kFifo}) {
    Result<LayoutTrial> trial = Trial(layout, options).Run();
    std::error_code ignored;
    std::filesystem::remove_all(options.directory + "/db", ignored);
    std::filesystem::remove(options.directory + "/incoming.sst", ignored);
    PC_RETURN_IF_ERROR(trial.status());
    trials.push_back(std::move(trial).value());
  }
  return trials;
}

}  // namespace promptcache
