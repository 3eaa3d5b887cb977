// Takes an encoded message apart as FlatBuffers lays it out, so that a test can damage what no
// encoder would write. Positions count from the message's first byte. Valid messages only.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace promptcache::testing {

class WireBytes {
 public:
  explicit WireBytes(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  const std::vector<uint8_t>& bytes() const { return bytes_; }

  template <typename T>
  T Get(size_t at) const {
    if (at + sizeof(T) > bytes_.size()) throw std::out_of_range("WireBytes");
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }
  template <typename T>
  void Set(size_t at, T value) {
    (void)Get<T>(at);
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
  }

  // The thing that the offset at `at` points to: a table, a vector, a string.
  size_t Follow(size_t at) const { return at + Get<uint32_t>(at); }
  size_t Root() const { return Follow(0); }
  // Where a table keeps its field.
  size_t Field(size_t table, int id) const {
    const auto offset = Get<uint16_t>(Slot(table, id));
    if (offset == 0) throw std::out_of_range("the field is not there");
    return table + offset;
  }
  // The table's field reads as absent from now on.
  void Remove(size_t table, int id) { Set<uint16_t>(Slot(table, id), 0); }

  // Of the envelope.
  static constexpr int kVersion = 0, kRequestId = 1, kType = 5, kBody = 6;
  size_t Body() const { return Follow(Field(Root(), kBody)); }

 private:
  size_t Slot(size_t table, int id) const {
    const size_t vtable = table - static_cast<size_t>(int64_t{Get<int32_t>(table)});
    if (4 + 2 * id + 2 > Get<uint16_t>(vtable)) throw std::out_of_range("the field is not there");
    return vtable + 4 + 2 * static_cast<size_t>(id);
  }

  std::vector<uint8_t> bytes_;
};

}  // namespace promptcache::testing
