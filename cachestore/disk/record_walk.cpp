#include "cachestore/disk/record_walk.h"

#include <algorithm>

#include "cachestore/limits.h"

namespace promptcache::internal {
namespace {

// The longest key with its tag, and one byte to be behind it.
constexpr size_t kDigits = 1 + kMaxMetaKeyBytes + 1;

// Half way between two keys, read as fractions of base 256.
std::string Between(const std::string& low, const std::string& high) {
  const auto digit = [](const std::string& key, size_t i) -> unsigned {
    return i < key.size() ? static_cast<uint8_t>(key[i]) : 0;
  };
  std::string sum(kDigits, '\0');
  unsigned carry = 0;
  for (size_t i = kDigits; i-- > 0;) {
    carry += digit(low, i) + digit(high, i);
    sum[i] = static_cast<char>(carry);
    carry >>= 8;
  }
  for (char& place : sum) {
    const unsigned value = carry << 8 | static_cast<uint8_t>(place);
    place = static_cast<char>(value / 2);
    carry = value % 2;
  }
  return sum;
}

}  // namespace

RecordWalk::RecordWalk(const Database& database, rocksdb::ColumnFamilyHandle* family,
                       std::string prefix)
    : database_(database),
      family_(family),
      prefix_(std::move(prefix)),
      end_(1, static_cast<char>(prefix_[0] + 1)) {}

Status RecordWalk::Run(const Visit& visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(database_.db().NewIterator(options, family_));
  std::optional<std::string> at = prefix_;
  while (at && at->starts_with(prefix_)) {
    it->Seek(*at);
    const bool readable = !it->status().IsCorruption();
    for (; it->Valid(); it->Next()) {
      const std::string_view key = it->key().ToStringView();
      if (!key.starts_with(prefix_)) return {};
      *at = key;
      if (!visit(key.substr(1), it->value().ToStringView())) return {};
    }
    if (it->status().ok()) return {};
    if (!it->status().IsCorruption()) return FromRocks(it->status(), "list the records");
    const std::string first = *at;
    at = BehindBlockOf(first);
    if (!readable) unreadable_.push_back({family_, first, at.value_or(end_)});
  }
  return {};
}

std::optional<std::string> RecordWalk::BehindBlockOf(const std::string& key) const {
  std::string low = key;
  std::string high = end_;
  if (InOneBlock(key, high)) return std::nullopt;
  for (std::string half = Between(low, high); half > low && half < high;
       half = Between(low, high)) {
    (InOneBlock(key, half) ? low : high) = half;
  }
  return high;
}

bool RecordWalk::InOneBlock(const std::string& first, const std::string& end) const {
  // By the indexes of the table files, exactly. Of a table without blocks, which only gives keys
  // up, every range has the whole size: so a range without keys tells what to take off.
  const rocksdb::Range ranges[] = {{first, end}, {first, first}};
  uint64_t bytes[] = {0, 0};
  const rocksdb::Status status =
      database_.db().GetApproximateSizes({}, family_, ranges, std::size(ranges), bytes);
  return !status.ok() || bytes[0] == bytes[1];
}

Status GiveUp(Database& database, std::span<const RecordRange> unreadable) {
  if (unreadable.empty()) return {};
  rocksdb::WriteBatch batch;
  for (const RecordRange& range : unreadable) {
    PC_RETURN_IF_ERROR(
        FromRocks(batch.DeleteRange(range.family, range.first, range.end), "give up records"));
  }
  return database.WriteSynced(batch, "give up records");
}

}  // namespace promptcache::internal
