// Records as bytes: little endian, with an XXH3-128 of everything before it at the end or without.
// Internal to cachestore.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/hash.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache::internal {

class RecordWriter {
 public:
  template <typename T>
  void Integer(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void Real(double value) { Integer(std::bit_cast<uint64_t>(value)); }
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
  void Fields(const Identity& identity);
  void Raw(std::string_view bytes) { out_ += bytes; }
  // The record without a checksum. Ends it.
  std::string Bytes() { return std::move(out_); }
  // The record with its checksum. Ends it.
  std::string Finish();

 private:
  std::string out_;
};

// Reads past the end give zeros and make `good` false.
class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : rest_(bytes) {}
  // What is before the checksum; kDataLoss with `where` when that is wrong.
  static Result<RecordReader> Checked(std::string_view record, const std::string& where);

  template <typename T>
  T Integer() {
    const std::string_view bytes = Take(sizeof(T));
    T value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<T>(T{static_cast<uint8_t>(bytes[i])} << (8 * i));
    }
    return value;
  }
  double Real() { return std::bit_cast<double>(Integer<uint64_t>()); }
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
  Identity Fields();
  size_t left() const { return rest_.size(); }
  bool good() const { return good_; }

 private:
  std::string_view Take(size_t count);

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace promptcache::internal
