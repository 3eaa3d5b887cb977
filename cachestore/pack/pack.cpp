#include "cachestore/pack/pack.h"

#include <algorithm>

#include "cachestore/format/blob.h"
#include "cachestore/format/record_bytes.h"
#include "cachestore/limits.h"

namespace promptcache {
namespace {

using internal::RecordReader;
using internal::RecordWriter;

constexpr std::string_view kMagic = "PCPK";
constexpr size_t kSignatureAt = kPackPrefixBytes - sizeof(Signature);

std::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void WriteBody(RecordWriter& out, const PackBody& body) {
  out.Integer(body.bytes);
  out.Digest(body.digest);
}

void WriteImport(RecordWriter& out, const Import& import) {
  out.Text(import.reference.tenant);
  out.Text(import.reference.schema);
  out.Text(import.reference.version);
  out.Text(import.reference.module);
  out.Integer(import.lifetime.ttl_ms);
  out.Integer(static_cast<uint8_t>(import.lifetime.pinned));
}

void WriteFile(RecordWriter& out, const SourceFile& file) {
  out.Text(file.path);
  out.Text(file.text);
}

void WriteProbe(RecordWriter& out, const PackProbe& probe) {
  out.Text(probe.model);
  out.Fields(probe.identity);
  WriteFile(out, probe.schema);
  out.Integer(static_cast<uint32_t>(probe.sources.size()));
  for (const SourceFile& source : probe.sources) WriteFile(out, source);
  out.Integer(probe.max_tokens);
  out.Text(probe.prompt);
  out.Integer(static_cast<uint32_t>(probe.expected.size()));
  for (const TokenId id : probe.expected) out.Integer(static_cast<uint32_t>(id));
}

// A flag that is neither 0 nor 1 makes `valid` false.
bool ReadFlag(RecordReader& in, bool& valid) {
  const auto flag = in.Integer<uint8_t>();
  valid = valid && flag <= 1;
  return flag == 1;
}

Import ReadImport(RecordReader& in, bool& valid) {
  Import import;
  import.reference.tenant = in.Text();
  import.reference.schema = in.Text();
  import.reference.version = in.Text();
  import.reference.module = in.Text();
  import.lifetime.ttl_ms = in.Integer<uint64_t>();
  import.lifetime.pinned = ReadFlag(in, valid);
  return import;
}

SourceFile ReadFile(RecordReader& in) {
  std::string path = in.Text();
  return {.path = std::move(path), .text = in.Text()};
}

// As many as the record says, or fewer where it ends before that.
template <typename Read>
auto ReadList(RecordReader& in, Read read) {
  std::vector<decltype(read())> list;
  for (auto left = in.Integer<uint32_t>(); left > 0 && in.good(); --left) list.push_back(read());
  return list;
}

PackProbe ReadProbe(RecordReader& in) {
  PackProbe probe;
  probe.model = in.Text();
  probe.identity = in.Fields();
  probe.schema = ReadFile(in);
  probe.sources = ReadList(in, [&] { return ReadFile(in); });
  probe.max_tokens = in.Integer<uint32_t>();
  probe.prompt = in.Text();
  probe.expected = ReadList(in, [&] { return static_cast<TokenId>(in.Integer<uint32_t>()); });
  return probe;
}

// Bodies one behind the other, each within the limit of its kind.
class BodyReader {
 public:
  BodyReader(RecordReader& in, uint64_t end) : in_(in), end_(end) {}

  PackBody Read(uint64_t limit) {
    PackBody body{.offset = next_, .bytes = in_.Integer<uint64_t>(), .digest = in_.Digest()};
    fits_ = fits_ && body.bytes <= limit && body.bytes <= end_ - next_;
    if (fits_) next_ += body.bytes;
    return body;
  }
  bool fill_the_file() const { return fits_ && next_ == end_; }

 private:
  RecordReader& in_;
  const uint64_t end_;
  uint64_t next_ = kPackPrefixBytes;
  bool fits_ = true;
};

template <typename Items>
bool AscendingKeys(const Items& items) {
  return std::adjacent_find(items.begin(), items.end(), [](const auto& a, const auto& b) {
           return a.key >= b.key;
         }) == items.end();
}

}  // namespace

std::string EncodePackManifest(const PackManifest& manifest) {
  RecordWriter out;
  out.Integer(manifest.created_unix_ms);
  out.Integer(static_cast<uint32_t>(manifest.blobs.size()));
  for (const PackBlob& blob : manifest.blobs) {
    out.Digest(blob.key);
    WriteBody(out, blob.body);
    out.Digest(blob.states);
    out.Integer(static_cast<uint32_t>(blob.imports.size()));
    for (const Import& import : blob.imports) WriteImport(out, import);
  }
  out.Integer(static_cast<uint32_t>(manifest.records.size()));
  for (const PackRecord& record : manifest.records) {
    out.Text(record.key);
    WriteBody(out, record.body);
  }
  out.Integer(static_cast<uint8_t>(manifest.probe.has_value()));
  if (manifest.probe) WriteProbe(out, *manifest.probe);
  return out.Bytes();
}

Result<PackManifest> DecodePackManifest(std::string_view bytes, uint64_t end) {
  RecordReader in(bytes);
  BodyReader bodies(in, end);
  bool valid = end >= kPackPrefixBytes;
  PackManifest manifest;
  manifest.created_unix_ms = in.Integer<uint64_t>();
  manifest.blobs = ReadList(in, [&] {
    PackBlob blob;
    blob.key = in.Digest();
    blob.body = bodies.Read(kMaxBlobBytes);
    blob.states = in.Digest();
    blob.imports = ReadList(in, [&] { return ReadImport(in, valid); });
    return blob;
  });
  manifest.records = ReadList(in, [&] {
    PackRecord record{.key = in.Text()};
    record.body = bodies.Read(kMaxMetaValueBytes);
    valid = valid && CheckMetaEntry(record.key, 0).ok();
    return record;
  });
  if (ReadFlag(in, valid)) manifest.probe = ReadProbe(in);
  if (!in.good() || !valid || in.left() > 0) return DataLoss("the manifest is malformed");
  if (!AscendingKeys(manifest.blobs) || !AscendingKeys(manifest.records)) {
    return DataLoss("the manifest names a key twice or out of order");
  }
  if (!bodies.fill_the_file()) {
    return DataLoss("the manifest's bodies do not fill the file up to byte " + std::to_string(end));
  }
  return manifest;
}

Digest256 PackDigest(uint64_t manifest_offset, std::string_view manifest) {
  return Blake2b()
      .AddString("promptcache pack 1")
      .AddU64(manifest_offset)
      .AddString(manifest)
      .Finish();
}

std::array<uint8_t, kPackPrefixBytes> EncodePackPrefix(const PackPrefix& prefix) {
  RecordWriter out;
  out.Raw(kMagic);
  out.Integer(kPackVersion);
  out.Integer(uint64_t{0});
  out.Integer(prefix.manifest_offset);
  out.Integer(prefix.manifest_bytes);
  out.Digest(prefix.digest);
  out.Digest(prefix.signer.value_or(PublicKey{}));
  out.Raw(Text(prefix.signature));
  const std::string text = out.Bytes();
  std::array<uint8_t, kPackPrefixBytes> bytes{};
  std::copy(text.begin(), text.end(), bytes.begin());
  return bytes;
}

Result<PackPrefix> ParsePackPrefix(std::span<const uint8_t> bytes, uint64_t file_bytes) {
  if (bytes.size() < kPackPrefixBytes || file_bytes < kPackPrefixBytes) {
    return DataLoss(std::to_string(std::min<uint64_t>(bytes.size(), file_bytes)) +
                    " bytes are no prefix of " + std::to_string(kPackPrefixBytes));
  }
  if (!Text(bytes).starts_with(kMagic)) return DataLoss("does not begin with PCPK");
  RecordReader in(Text(bytes.subspan(kMagic.size())));
  if (const auto version = in.Integer<uint32_t>(); version != kPackVersion) {
    return DataLoss("format version " + std::to_string(version) + ", this build reads " +
                    std::to_string(kPackVersion));
  }
  if (in.Integer<uint64_t>() != 0) return DataLoss("flags of the prefix are set");
  PackPrefix prefix;
  prefix.manifest_offset = in.Integer<uint64_t>();
  prefix.manifest_bytes = in.Integer<uint64_t>();
  prefix.digest = in.Digest();
  const PublicKey signer = in.Digest();
  if (signer != PublicKey{}) prefix.signer = signer;
  std::copy_n(bytes.begin() + kSignatureAt, prefix.signature.size(), prefix.signature.begin());
  if (!prefix.signer && prefix.signature != Signature{}) {
    return DataLoss("a signature without the key that made it");
  }
  if (prefix.manifest_bytes > kMaxPackManifestBytes) {
    return DataLoss("a manifest of " + std::to_string(prefix.manifest_bytes) + " bytes, limit " +
                    std::to_string(kMaxPackManifestBytes));
  }
  if (prefix.manifest_offset < kPackPrefixBytes || prefix.manifest_offset > file_bytes ||
      file_bytes - prefix.manifest_offset != prefix.manifest_bytes) {
    return DataLoss("the file has " + std::to_string(file_bytes) +
                    " bytes, its manifest should be the " + std::to_string(prefix.manifest_bytes) +
                    " behind byte " + std::to_string(prefix.manifest_offset));
  }
  return prefix;
}

}  // namespace promptcache
