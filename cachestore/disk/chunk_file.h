// The table file of one blob. Internal to cachestore/disk.
//
// RocksDB's own reads copy every chunk twice on its way. Since a chunk is a block of its own,
// uncompressed, its bytes lie in the file as they are; the writer notes where, and readers get them
// from there. What they get is checked against the chunk's hash, so this may fail but not mislead.
//
// A chunk of full size, but for the first, begins where a page does: a read then copies whole
// pages, a third faster than parts of them. What stands before it is a filler: zeros under a key of
// its own, which nobody asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cachestore/disk/database.h"
#include "cachestore/disk/generations.h"
#include "cachestore/disk/manifest.h"

namespace rocksdb {
class SstFileWriter;
}

namespace promptcache::internal {

// Writes a file that Database::Ingest takes. Not thread safe. Without a Finish that was OK, or
// when it is not ingested, the file is deleted.
class ChunkFileWriter {
 public:
  static Result<std::unique_ptr<ChunkFileWriter>> Create(std::shared_ptr<Database> database,
                                                         Generation generation);
  ~ChunkFileWriter();

  // The next chunk: kChunkBytes, the last one at least 1 byte.
  Status Append(std::span<const uint8_t> chunk);
  // The file is complete and synced.
  Status Finish();

  const std::string& path() const { return path_; }
  const Generation& generation() const { return generation_; }
  const std::vector<ChunkRecord>& chunks() const { return chunks_; }

 private:
  ChunkFileWriter(std::shared_ptr<Database> database, Generation generation);
  // So that the next chunk begins at a page. REQUIRES: there is a chunk before it.
  Status AppendFiller();

  const std::shared_ptr<Database> database_;
  const Generation generation_;
  const std::string path_;
  std::unique_ptr<rocksdb::SstFileWriter> file_;
  std::vector<ChunkRecord> chunks_;
  uint64_t next_block_ = 0;  // where it begins
};

// A file being read. Not thread safe.
class ChunkFileReader {
 public:
  explicit ChunkFileReader(std::string path) : path_(std::move(path)) {}
  ~ChunkFileReader();
  ChunkFileReader(const ChunkFileReader&) = delete;
  ChunkFileReader& operator=(const ChunkFileReader&) = delete;

  // False when the bytes are not there, or not those of the hash: `out` is then undefined.
  bool Read(const ChunkRecord& chunk, std::span<uint8_t> out);
  // Bytes of the file as they lie there, for system calls only: a touch is a signal where the file
  // was cut short or cannot be read. Null when it cannot be mapped that far.
  std::shared_ptr<const void> Map(const ChunkRecord& chunk, uint64_t bytes);

 private:
  struct Mapping;

  bool Open();

  const std::string path_;
  int file_ = -1;
  bool failed_ = false;  // to open
  std::shared_ptr<const Mapping> mapping_;
};

}  // namespace promptcache::internal
