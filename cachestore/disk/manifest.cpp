#include "cachestore/disk/manifest.h"

#include <algorithm>
#include <bit>

namespace promptcache::internal {
namespace {

constexpr uint32_t kManifestVersion = 1;
constexpr size_t kChecksumBytes = 16;

class Writer {
 public:
  template <typename T>
  void Integer(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void Digest(const Digest256& digest) {
    out_.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  }
  void Text(const std::string& text) {
    Integer(static_cast<uint32_t>(text.size()));
    out_ += text;
  }
  void Hash(const Hash128& hash) {
    Integer(hash.low);
    Integer(hash.high);
  }
  std::string& out() { return out_; }

 private:
  std::string out_;
};

// Reads past the end give zeros and make `good` false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Integer() {
    const std::string_view bytes = Take(sizeof(T));
    T value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<T>(T{static_cast<uint8_t>(bytes[i])} << (8 * i));
    }
    return value;
  }
  Digest256 Digest() {
    Digest256 digest;
    const std::string_view bytes = Take(digest.bytes.size());
    std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
    return digest;
  }
  std::string Text() { return std::string(Take(Integer<uint32_t>())); }
  Hash128 Hash() {
    const auto low = Integer<uint64_t>();
    return {.low = low, .high = Integer<uint64_t>()};
  }
  size_t left() const { return rest_.size(); }
  bool good() const { return good_; }

 private:
  std::string_view Take(size_t count) {
    if (count > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  bool good_ = true;
};

Hash128 ChecksumOf(std::string_view bytes) {
  return Xxh3_128({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

Identity ReadIdentity(Reader& in) {
  Identity identity;
  identity.weights = in.Text();
  identity.tokenizer = in.Text();
  identity.positions = in.Text();
  identity.dtype = in.Text();
  identity.kv_layout = in.Text();
  identity.encoder = in.Text();
  return identity;
}

BlobInfo ReadInfo(Reader& in, const UnitKey& key) {
  BlobInfo info{.key = key};
  info.bytes = in.Integer<uint64_t>();
  info.committed_unix_ms = in.Integer<uint64_t>();
  info.encode_seconds = std::bit_cast<double>(in.Integer<uint64_t>());
  info.tokens = in.Integer<uint32_t>();
  info.context_tokens = in.Integer<uint32_t>();
  info.mode = static_cast<EncodingMode>(in.Integer<uint8_t>());
  info.recipe = in.Digest();
  info.identity = ReadIdentity(in);
  return info;
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  const BlobInfo& info = manifest.info;
  Writer out;
  out.Integer(kManifestVersion);
  out.Integer(manifest.generation);
  out.Integer(info.bytes);
  out.Integer(info.committed_unix_ms);
  out.Integer(std::bit_cast<uint64_t>(info.encode_seconds));
  out.Integer(info.tokens);
  out.Integer(info.context_tokens);
  out.Integer(static_cast<uint8_t>(info.mode));
  out.Digest(info.recipe);
  for (const std::string* field :
       {&info.identity.weights, &info.identity.tokenizer, &info.identity.positions,
        &info.identity.dtype, &info.identity.kv_layout, &info.identity.encoder}) {
    out.Text(*field);
  }
  for (const Hash128& hash : manifest.chunk_hashes) out.Hash(hash);
  out.Hash(ChecksumOf(out.out()));
  return std::move(out.out());
}

Result<Manifest> DecodeManifest(const UnitKey& key, std::string_view bytes) {
  const std::string where = "manifest of unit " + key.ToHex() + ": ";
  if (bytes.size() < kChecksumBytes) return DataLoss(where + "cut short");
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (Reader(bytes.substr(body.size())).Hash() != ChecksumOf(body)) {
    return DataLoss(where + "fails its checksum");
  }
  Reader in(body);
  if (const auto version = in.Integer<uint32_t>(); version != kManifestVersion) {
    return DataLoss(where + "version " + std::to_string(version) + ", this build reads " +
                    std::to_string(kManifestVersion));
  }
  Manifest manifest;
  manifest.generation = in.Integer<uint64_t>();
  manifest.info = ReadInfo(in, key);
  const EncodingMode mode = manifest.info.mode;
  if (!in.good() || mode < EncodingMode::kAnchored || mode > EncodingMode::kScaffoldSet ||
      manifest.info.bytes == 0 || in.left() % 16 != 0 ||
      in.left() / 16 != ChunkCount(manifest.info.bytes)) {
    return DataLoss(where + "malformed");
  }
  while (in.left() > 0) manifest.chunk_hashes.push_back(in.Hash());
  return manifest;
}

}  // namespace promptcache::internal
