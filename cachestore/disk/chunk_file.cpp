#include "cachestore/disk/chunk_file.h"

#include <fcntl.h>
#include <rocksdb/sst_file_writer.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace promptcache::internal {
namespace {

constexpr uint64_t kChunkKeyBytes = 12;        // generation, chunk
constexpr uint64_t kFillerKeyBytes = 12 + 1;   // of the chunk before, and a character
constexpr uint64_t kBytesBehindValue = 8 + 5;  // one restart and their number; type and checksum
constexpr uint64_t kPageBytes = 4096;

rocksdb::Slice ToSlice(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Bytes of a block before its first value: three lengths as varints (shared and own bytes of the
// key, below 128 here; the value) and the key.
uint64_t BytesBeforeValue(uint64_t key_bytes, uint64_t value_bytes) {
  constexpr uint64_t kSequenceAndType = 8;
  uint64_t length_bytes = 1;
  for (uint64_t left = value_bytes; left >= 128; left >>= 7) ++length_bytes;
  return 2 + length_bytes + key_bytes + kSequenceAndType;
}

// Bytes of a filler in a block that begins at `begin`, behind which a whole chunk's bytes begin at
// a page.
uint64_t FillerBytes(uint64_t begin) {
  for (uint64_t bytes = 0;; ++bytes) {
    const uint64_t chunk = begin + BytesBeforeValue(kFillerKeyBytes, bytes) + bytes +
                           kBytesBehindValue + BytesBeforeValue(kChunkKeyBytes, kChunkBytes);
    if (chunk % kPageBytes == 0) return bytes;
  }
}

// Reads and hashes by turns, so that the hash finds the bytes in the CPU's caches.
bool ReadHashed(int file, uint64_t offset, std::span<uint8_t> out, Hash128& hash) {
  constexpr size_t kPiece = 256 << 10;
  Xxh3Stream hasher;
  while (!out.empty()) {
    const size_t piece = std::min(out.size(), kPiece);
    const ssize_t got = ::pread(file, out.data(), piece, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    hasher.Add(out.first(static_cast<size_t>(got)));
    out = out.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  hash = hasher.Finish();
  return true;
}

}  // namespace

ChunkFileWriter::ChunkFileWriter(std::shared_ptr<Database> database, Generation generation)
    : database_(std::move(database)),
      generation_(std::move(generation)),
      path_(database_->IncomingPath(*generation_)) {}

Result<std::unique_ptr<ChunkFileWriter>> ChunkFileWriter::Create(std::shared_ptr<Database> database,
                                                                 Generation generation) {
  std::unique_ptr<ChunkFileWriter> writer(
      new ChunkFileWriter(std::move(database), std::move(generation)));
  const rocksdb::Options& options = writer->database_->TableOptions();
  // The bytes stay in the page cache: what was just stored is likely read soon.
  constexpr bool kInvalidatePageCache = false;
  writer->file_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(options), options,
                                                           nullptr, kInvalidatePageCache);
  PC_RETURN_IF_ERROR(FromRocks(writer->file_->Open(writer->path_), "create " + writer->path_));
  return writer;
}

ChunkFileWriter::~ChunkFileWriter() {
  file_.reset();
  // Gone already when it was ingested.
  (void)database_->env().DeleteFile(path_);
}

Status ChunkFileWriter::AppendFiller() {
  static const std::string kZeros(2 * kPageBytes, '\0');
  const uint64_t bytes = FillerBytes(next_block_);
  const std::string key = ChunkKey(*generation_, static_cast<uint32_t>(chunks_.size() - 1)) + '~';
  return FromRocks(file_->Put(key, rocksdb::Slice(kZeros.data(), bytes)), "write " + path_);
}

Status ChunkFileWriter::Append(std::span<const uint8_t> chunk) {
  if (!chunks_.empty() && chunk.size() == kChunkBytes) PC_RETURN_IF_ERROR(AppendFiller());
  const std::string key = ChunkKey(*generation_, static_cast<uint32_t>(chunks_.size()));
  PC_RETURN_IF_ERROR(FromRocks(file_->Put(key, ToSlice(chunk)), "write " + path_));
  // The chunk before this one is written now, this one is not: here its block begins.
  const uint64_t begin = file_->FileSize() + BytesBeforeValue(kChunkKeyBytes, chunk.size());
  chunks_.push_back({.hash = Xxh3_128(chunk), .file_offset = begin});
  next_block_ = begin + chunk.size() + kBytesBehindValue;
  return {};
}

Status ChunkFileWriter::Finish() { return FromRocks(file_->Finish(), "write " + path_); }

ChunkFileReader::~ChunkFileReader() {
  if (file_ >= 0) ::close(file_);
}

bool ChunkFileReader::Open() {
  if (file_ < 0 && !failed_) file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  failed_ = file_ < 0;
  return !failed_;
}

bool ChunkFileReader::Read(const ChunkRecord& chunk, std::span<uint8_t> out) {
  Hash128 hash;
  return chunk.file_offset != 0 && Open() && ReadHashed(file_, chunk.file_offset, out, hash) &&
         hash == chunk.hash;
}

// A whole file.
struct ChunkFileReader::Mapping {
  Mapping(int file, uint64_t size_in)
      : bytes(::mmap(nullptr, size_in, PROT_READ, MAP_SHARED, file, 0)), size(size_in) {}
  ~Mapping() {
    if (bytes != MAP_FAILED) ::munmap(bytes, size);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void* const bytes;
  const uint64_t size;
};

std::shared_ptr<const void> ChunkFileReader::Map(const ChunkRecord& chunk, uint64_t bytes) {
  if (chunk.file_offset == 0 || !Open()) return nullptr;
  if (!mapping_) {
    struct stat found {};
    if (::fstat(file_, &found) != 0 || found.st_size <= 0) return nullptr;
    mapping_ = std::make_shared<Mapping>(file_, static_cast<uint64_t>(found.st_size));
  }
  const bool fits = mapping_->bytes != MAP_FAILED && chunk.file_offset <= mapping_->size &&
                    bytes <= mapping_->size - chunk.file_offset;
  if (!fits) return nullptr;
  return {mapping_, static_cast<const uint8_t*>(mapping_->bytes) + chunk.file_offset};
}

}  // namespace promptcache::internal
