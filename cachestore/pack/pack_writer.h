// Writing packs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/pack/pack.h"
#include "common/clock.h"

namespace promptcache {

// What a pack says of whose unit it is.
std::vector<Import> ImportsOf(const BlobInfo& blob);

// Writes beside `path`; Finish puts the whole pack in its place. Without it nothing is left. Holds
// one piece of one blob in memory and the manifest. Not thread safe.
//
// kUnavailable, naming the path and why, when the file cannot be written; the writer is then of no
// use. After any other error of an Add it goes on as if that had not been called.
class PackWriter {
 public:
  static Result<std::unique_ptr<PackWriter>> Create(const std::string& path);
  ~PackWriter();
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  // Copies a blob and checks it. In ascending order of keys, before any record: kInvalidArgument
  // otherwise. kNotFound when the store has it no longer, kDataLoss when it is damaged there.
  Status AddBlob(BlobStore& store, const UnitKey& key, std::vector<Import> imports);
  // In ascending order of keys.
  Status AddRecord(const MetaEntry& entry);
  void SetProbe(PackProbe probe) { manifest_.probe = std::move(probe); }

  // Signs when there is a key. After it the pack is on the disk and has its name. Returns its
  // bytes. kResourceExhausted when the manifest is over its limit. Call once.
  Result<uint64_t> Finish(const std::optional<SigningKey>& key, const Clock& clock = SystemClock());

 private:
  PackWriter(std::string path, std::string temporary, int file);
  Result<PackBlob> CopyBlob(BlobReader& reader);
  Status WriteAt(uint64_t offset, std::span<const uint8_t> bytes);
  Status PutInPlace();

  const std::string path_;
  std::string temporary_;  // empty when it is not there any more
  const int file_;
  uint64_t end_ = kPackPrefixBytes;  // of the bodies so far
  PackManifest manifest_;
};

}  // namespace promptcache
