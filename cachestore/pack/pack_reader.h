// Reading packs. Not thread safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cachestore/format/blob.h"
#include "cachestore/pack/pack.h"

namespace promptcache {

// Where the bytes of a pack are.
class PackSource {
 public:
  virtual ~PackSource() = default;
  virtual const std::string& name() const = 0;  // for messages
  virtual uint64_t size() const = 0;
  // Fills `out`, which lies within size(). kUnavailable when it cannot be read, kDataLoss when the
  // bytes are not there any more.
  virtual Status Read(uint64_t offset, std::span<uint8_t> out) const = 0;
};

// kNotFound when there is no such file, kInvalidArgument when it is no regular one.
Result<std::shared_ptr<const PackSource>> OpenPackFile(const std::string& path);

// Packs without a signature of one of the keys.
enum class OtherPacks : uint8_t { kRefuse, kAccept };

struct PackTrust {
  std::vector<PublicKey> keys;
  OtherPacks others = OtherPacks::kRefuse;
};

class PackReader {
 public:
  // Reads and checks prefix, signature and manifest. kDataLoss when one is damaged or the signature
  // wrong; kFailedPrecondition when the pack is whole and `trust` does not extend to it. Both name
  // the file, the second the signer too.
  static Result<PackReader> Open(std::shared_ptr<const PackSource> source, const PackTrust& trust);

  const std::string& name() const { return source_->name(); }
  const PackManifest& manifest() const { return manifest_; }
  const std::optional<PublicKey>& signer() const { return signer_; }

  // The blob as a store would give it, for its header and for looking: nothing checks its bytes but
  // what the blob itself has for that. Outlives the reader.
  std::unique_ptr<BlobReader> OpenBlob(const PackBlob& blob) const;

  using Sink = std::function<Status(std::span<const uint8_t>)>;
  // Gives the blob's bytes to `sink` in pieces and checks them. kDataLoss, naming key and place,
  // unless they are what the manifest says and a blob; what the sink got is then of no use. An
  // error of the sink ends it.
  Status CopyBlob(const PackBlob& blob, const Sink& sink) const;
  // The value, checked.
  Result<std::string> ReadRecord(const PackRecord& record) const;

  // Checks every body. The first damaged one is named.
  Status Verify() const;

 private:
  PackReader(std::shared_ptr<const PackSource> source, PackManifest manifest,
             std::optional<PublicKey> signer)
      : source_(std::move(source)), manifest_(std::move(manifest)), signer_(signer) {}
  Status Damaged(const std::string& what, const PackBody& body, const std::string& how) const;

  std::shared_ptr<const PackSource> source_;
  PackManifest manifest_;
  std::optional<PublicKey> signer_;
};

}  // namespace promptcache
