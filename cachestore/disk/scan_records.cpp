#include <cstring>

#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {
namespace {

// Calls `visit` with the unit key and the value of every record under the tag. A damaged block ends
// an iterator: the walk goes on behind it, at the next key that can be read.
class RecordWalk {
 public:
  RecordWalk(const Database& database, char tag)
      : tag_(tag), it_(database.db().NewIterator({}, database.meta())) {}

  template <typename Visit>
  Status Run(Visit visit) {
    it_->Seek(std::string(1, tag_));
    for (;;) {
      for (; it_->Valid(); it_->Next()) {
        const std::string_view key = it_->key().ToStringView();
        if (key.empty() || key[0] != tag_) return {};
        prefix_ = PrefixOf(key);
        visit(key.substr(1), it_->value().ToStringView());
      }
      if (it_->status().ok()) return {};
      if (!it_->status().IsCorruption()) return FromRocks(it_->status(), "list the records");
      ++unreadable_;
      if (!SkipDamage()) return {};
    }
  }

  uint64_t unreadable() const { return unreadable_; }

 private:
  static constexpr uint32_t kPrefixes = 1 << 16;

  static uint32_t PrefixOf(std::string_view key) {
    const auto byte = [&](size_t i) -> uint32_t {
      return i < key.size() ? static_cast<uint8_t>(key[i]) : 0;
    };
    return byte(1) << 8 | byte(2);
  }

  // Unit keys are evenly spread digests: two bytes of them tell blocks of any store apart.
  bool SkipDamage() {
    while (++prefix_ < kPrefixes) {
      const char start[] = {tag_, static_cast<char>(prefix_ >> 8), static_cast<char>(prefix_)};
      it_->Seek(rocksdb::Slice(start, sizeof(start)));
      if (it_->Valid()) return true;
      if (it_->status().ok()) return false;  // nothing is behind it
    }
    return false;
  }

  const char tag_;
  const std::unique_ptr<rocksdb::Iterator> it_;
  uint32_t prefix_ = 0;
  uint64_t unreadable_ = 0;
};

bool KeyFrom(std::string_view bytes, UnitKey& key) {
  if (bytes.size() != key.bytes.size()) return false;
  std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
  return true;
}

}  // namespace

Result<ScannedRecords> ScanRecords(const Database& database) {
  ScannedRecords records;
  std::map<UnitKey, BlobUse> uses;
  RecordWalk use_walk(database, kUseTag);
  PC_RETURN_IF_ERROR(use_walk.Run([&](std::string_view key_bytes, std::string_view value) {
    UnitKey key;
    if (!KeyFrom(key_bytes, key)) return;
    Result<BlobUse> use = DecodeUse(key, value);
    // What cannot be read of it is as if the blob had just been committed without a reference.
    if (use.ok()) uses[key] = std::move(use).value();
  }));
  RecordWalk walk(database, kManifestTag);
  PC_RETURN_IF_ERROR(walk.Run([&](std::string_view key_bytes, std::string_view value) {
    UnitKey key;
    if (!KeyFrom(key_bytes, key)) return;
    Result<Manifest> manifest = DecodeManifest(key, value);
    if (!manifest.ok()) return records.damaged.push_back(key);
    ScannedRecords::Found& found = records.blobs.emplace_back();
    found.manifest = std::move(manifest).value();
    auto use = uses.extract(key);
    if (!use.empty()) {
      found.use = std::move(use.mapped());
    } else {
      found.use = {.used_unix_ms = found.manifest.info.committed_unix_ms, .weight = 1};
    }
  }));
  for (const auto& [key, use] : uses) records.uses_alone.push_back(key);
  records.unreadable_parts = use_walk.unreadable() + walk.unreadable();
  return records;
}

}  // namespace promptcache::internal
