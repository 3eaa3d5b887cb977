#include "cachestore/pack/pack_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cachestore/format/blob_verifier.h"

namespace promptcache {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

class PackFile : public PackSource {
 public:
  PackFile(std::string path, int file, uint64_t size)
      : path_(std::move(path)), file_(file), size_(size) {}
  ~PackFile() override { ::close(file_); }
  PackFile(const PackFile&) = delete;
  PackFile& operator=(const PackFile&) = delete;

  const std::string& name() const override { return path_; }
  uint64_t size() const override { return size_; }

  Status Read(uint64_t offset, std::span<uint8_t> out) const override {
    while (!out.empty()) {
      const ssize_t got = ::pread(file_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Unavailable("cannot read " + path_ + ": " + std::strerror(errno));
      if (got == 0) return DataLoss(path_ + " now ends at byte " + std::to_string(offset));
      out = out.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return {};
  }

 private:
  const std::string path_;
  const int file_;
  const uint64_t size_;
};

// One body of a pack.
class BodyReader : public BlobReader {
 public:
  BodyReader(std::shared_ptr<const PackSource> source, const PackBody& body)
      : source_(std::move(source)), body_(body) {}

  uint64_t size() const override { return body_.bytes; }
  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size() || out.size() > size() - offset) {
      return InvalidArgument("read past the end of a blob");
    }
    return source_->Read(body_.offset + offset, out);
  }

 private:
  const std::shared_ptr<const PackSource> source_;
  const PackBody body_;
};

Result<std::string> ReadManifest(const PackSource& source, const PackPrefix& prefix) {
  std::string manifest(prefix.manifest_bytes, '\0');
  PC_RETURN_IF_ERROR(source.Read(prefix.manifest_offset,
                                 {reinterpret_cast<uint8_t*>(manifest.data()), manifest.size()}));
  if (PackDigest(prefix.manifest_offset, manifest) != prefix.digest) {
    return DataLoss("the manifest fails its digest");
  }
  if (prefix.signer && !IsSignedBy(*prefix.signer, prefix.digest.bytes, prefix.signature)) {
    return DataLoss("the signature is not one of " + prefix.signer->ToHex());
  }
  return manifest;
}

Status CheckTrust(const std::optional<PublicKey>& signer, const PackTrust& trust) {
  if (trust.others == OtherPacks::kAccept) return {};
  if (!signer) return FailedPrecondition("not signed, and unsigned packs are not allowed");
  if (std::find(trust.keys.begin(), trust.keys.end(), *signer) != trust.keys.end()) return {};
  return FailedPrecondition("signed by " + signer->ToHex() + ", which is not trusted");
}

}  // namespace

Result<std::shared_ptr<const PackSource>> OpenPackFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return NotFound("cannot open " + path + ": " + std::strerror(errno));
  struct stat stat {};
  const bool regular = ::fstat(file, &stat) == 0 && S_ISREG(stat.st_mode);
  auto source = std::make_shared<const PackFile>(path, file, static_cast<uint64_t>(stat.st_size));
  if (!regular) return InvalidArgument(path + " is no regular file");
  return std::shared_ptr<const PackSource>(std::move(source));
}

Result<PackReader> PackReader::Open(std::shared_ptr<const PackSource> source,
                                    const PackTrust& trust) {
  const auto open = [&]() -> Result<PackReader> {
    std::array<uint8_t, kPackPrefixBytes> bytes{};
    const auto head = std::span(bytes).first(std::min<uint64_t>(bytes.size(), source->size()));
    PC_RETURN_IF_ERROR(source->Read(0, head));
    PC_ASSIGN_OR_RETURN(const PackPrefix prefix, ParsePackPrefix(head, source->size()));
    PC_ASSIGN_OR_RETURN(const std::string raw, ReadManifest(*source, prefix));
    PC_RETURN_IF_ERROR(CheckTrust(prefix.signer, trust));
    PC_ASSIGN_OR_RETURN(PackManifest manifest, DecodePackManifest(raw, prefix.manifest_offset));
    return PackReader(source, std::move(manifest), prefix.signer);
  };
  Result<PackReader> reader = open();
  if (!reader.ok()) return reader.status().WithContext("pack " + source->name());
  return reader;
}

std::unique_ptr<BlobReader> PackReader::OpenBlob(const PackBlob& blob) const {
  return std::make_unique<BodyReader>(source_, blob.body);
}

Status PackReader::Damaged(const std::string& what, const PackBody& body,
                           const std::string& how) const {
  return DataLoss("pack " + name() + ": " + what + ", " + std::to_string(body.bytes) +
                  " bytes from byte " + std::to_string(body.offset) + ": " + how);
}

Status PackReader::CopyBlob(const PackBlob& blob, const Sink& sink) const {
  Blake2b digest;
  BlobVerifier verifier;
  std::vector<uint8_t> piece(std::min(kPieceBytes, blob.body.bytes));
  for (uint64_t at = 0; at < blob.body.bytes; at += piece.size()) {
    piece.resize(std::min<uint64_t>(piece.size(), blob.body.bytes - at));
    PC_RETURN_IF_ERROR(source_->Read(blob.body.offset + at, piece));
    digest.AddBytes(piece);
    verifier.Append(piece);
    PC_RETURN_IF_ERROR(sink(piece));
  }
  const std::string what = "unit " + blob.key.ToHex();
  if (digest.Finish() != blob.body.digest) return Damaged(what, blob.body, "fails its digest");
  const Result<BlobHeader> header = verifier.Finish();
  if (!header.ok()) return Damaged(what, blob.body, header.status().message());
  if (StatesDigest(*header) != blob.states) {
    return Damaged(what, blob.body, "has other states than the manifest says");
  }
  return {};
}

Result<std::string> PackReader::ReadRecord(const PackRecord& record) const {
  std::string value(record.body.bytes, '\0');
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(value.data()), value.size());
  PC_RETURN_IF_ERROR(source_->Read(record.body.offset, bytes));
  if (Blake2b256(bytes) == record.body.digest) return value;
  return Damaged("record '" + record.key + "'", record.body, "fails its digest");
}

Status PackReader::Verify() const {
  for (const PackBlob& blob : manifest_.blobs) {
    PC_RETURN_IF_ERROR(CopyBlob(blob, [](std::span<const uint8_t>) { return Status(); }));
  }
  for (const PackRecord& record : manifest_.records) {
    PC_RETURN_IF_ERROR(ReadRecord(record).status());
  }
  return {};
}

}  // namespace promptcache
