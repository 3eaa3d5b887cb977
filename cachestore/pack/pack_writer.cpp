#include "cachestore/pack/pack_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cachestore/format/blob_verifier.h"
#include "cachestore/limits.h"

namespace promptcache {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Status CannotWrite(const std::string& path) {
  return Unavailable("cannot write " + path + ": " + std::strerror(errno));
}

// So that the new name survives a loss of power.
Status SyncFolderOf(const std::string& path) {
  const auto folder = std::filesystem::absolute(path).parent_path();
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return CannotWrite(path);
  const Status status = ::fsync(file) == 0 ? Status() : CannotWrite(path);
  ::close(file);
  return status;
}

}  // namespace

std::vector<Import> ImportsOf(const BlobInfo& blob) {
  std::vector<Import> imports;
  for (const BlobReference& one : blob.use.references) {
    imports.push_back({.reference = one.reference, .lifetime = one.lifetime});
  }
  return imports;
}

PackWriter::PackWriter(std::string path, std::string temporary, int file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

PackWriter::~PackWriter() {
  ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<std::unique_ptr<PackWriter>> PackWriter::Create(const std::string& path) {
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) return CannotWrite(path);
  return std::unique_ptr<PackWriter>(new PackWriter(path, std::move(temporary), file));
}

Status PackWriter::WriteAt(uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return CannotWrite(path_);
    bytes = bytes.subspan(static_cast<size_t>(wrote));
    offset += static_cast<uint64_t>(wrote);
  }
  return {};
}

Status PackWriter::AddBlob(BlobStore& store, const UnitKey& key, std::vector<Import> imports) {
  if (!manifest_.records.empty()) return InvalidArgument("a blob behind records");
  if (!manifest_.blobs.empty() && key <= manifest_.blobs.back().key) {
    return InvalidArgument("unit " + key.ToHex() + " is out of order");
  }
  PC_ASSIGN_OR_RETURN(const auto reader, store.Inspect(key));
  Result<PackBlob> blob = CopyBlob(*reader);
  if (!blob.ok()) return blob.status().WithContext("unit " + key.ToHex());
  blob->key = key;
  blob->imports = std::move(imports);
  end_ += blob->body.bytes;
  manifest_.blobs.push_back(std::move(*blob));
  return {};
}

// Behind the bodies so far, which do not grow by it.
Result<PackBlob> PackWriter::CopyBlob(BlobReader& reader) {
  Blake2b digest;
  BlobVerifier verifier;
  for (uint64_t at = 0; at < reader.size();) {
    PC_ASSIGN_OR_RETURN(const PinnedBytes piece, reader.ReadPinned(at, kPieceBytes));
    digest.AddBytes(piece.bytes);
    verifier.Append(piece.bytes);
    PC_RETURN_IF_ERROR(WriteAt(end_ + at, piece.bytes));
    at += piece.bytes.size();
  }
  PC_ASSIGN_OR_RETURN(const BlobHeader header, verifier.Finish());
  return PackBlob{.body = {.offset = end_, .bytes = reader.size(), .digest = digest.Finish()},
                  .states = StatesDigest(header)};
}

Status PackWriter::AddRecord(const MetaEntry& entry) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(entry.key, entry.value.size()));
  if (!manifest_.records.empty() && entry.key <= manifest_.records.back().key) {
    return InvalidArgument("record '" + entry.key + "' is out of order");
  }
  const auto bytes = Bytes(entry.value);
  PC_RETURN_IF_ERROR(WriteAt(end_, bytes));
  const PackBody body{.offset = end_, .bytes = bytes.size(), .digest = Blake2b256(bytes)};
  manifest_.records.push_back({.key = entry.key, .body = body});
  end_ += bytes.size();
  return {};
}

Result<uint64_t> PackWriter::Finish(const std::optional<SigningKey>& key, const Clock& clock) {
  manifest_.created_unix_ms = clock.UnixMillis();
  const std::string manifest = EncodePackManifest(manifest_);
  if (manifest.size() > kMaxPackManifestBytes) {
    return ResourceExhausted("a pack's manifest of " + std::to_string(manifest.size()) +
                             " bytes, limit " + std::to_string(kMaxPackManifestBytes));
  }
  PackPrefix prefix{.manifest_offset = end_,
                    .manifest_bytes = manifest.size(),
                    .digest = PackDigest(end_, manifest)};
  if (key) {
    prefix.signer = key->public_key();
    prefix.signature = key->Sign(prefix.digest.bytes);
  }
  const uint64_t total = end_ + manifest.size();
  PC_RETURN_IF_ERROR(WriteAt(end_, Bytes(manifest)));
  PC_RETURN_IF_ERROR(WriteAt(0, EncodePackPrefix(prefix)));
  // Of a blob that was given up bytes may lie behind the manifest.
  if (::ftruncate(file_, static_cast<off_t>(total)) != 0) return CannotWrite(path_);
  PC_RETURN_IF_ERROR(PutInPlace());
  return total;
}

Status PackWriter::PutInPlace() {
  if (::fsync(file_) != 0) return CannotWrite(path_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return CannotWrite(path_);
  temporary_.clear();
  return SyncFolderOf(path_);
}

}  // namespace promptcache
