// A walk over records that goes on behind damage. Internal to cachestore/disk.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/disk/database.h"

namespace promptcache::internal {

// Keys from `first` to before `end`.
struct RecordRange {
  rocksdb::ColumnFamilyHandle* family = nullptr;
  std::string first;
  std::string end;
};

// The records of a family whose keys begin with a prefix, in key order. A damaged block ends an
// iterator of RocksDB: this one goes on at the block behind it. Not thread safe.
class RecordWalk {
 public:
  // REQUIRES: the prefix is not empty and begins with an ASCII character, its tag.
  RecordWalk(const Database& database, rocksdb::ColumnFamilyHandle* family, std::string prefix);

  // `key` without the tag. False ends the walk.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  // kUnavailable when the disk refuses.
  Status Run(const Visit& visit);
  // What Run could not read.
  const std::vector<RecordRange>& unreadable() const { return unreadable_; }

 private:
  // Where the next block begins, which is not before the next key.
  std::optional<std::string> BehindBlockOf(const std::string& key) const;
  bool InOneBlock(const std::string& first, const std::string& end) const;

  const Database& database_;
  rocksdb::ColumnFamilyHandle* const family_;
  const std::string prefix_;
  const std::string end_;  // behind all keys of the tag
  std::vector<RecordRange> unreadable_;
};

// Makes keys that cannot be read ones that are absent, durably. Until then walks do not find what
// is written between them either.
Status GiveUp(Database& database, std::span<const RecordRange> unreadable);

}  // namespace promptcache::internal
