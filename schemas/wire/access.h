// Reading and writing the generated tables with less repetition: used by cluster/wire/*_codec.cpp
// only. Includes FlatBuffers, so no other header includes it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/wire/promptcache_generated.h"

namespace promptcache::wire {

// Builds one message. Not thread safe.
class Writer {
 public:
  flatbuffers::FlatBufferBuilder& builder() { return builder_; }

  // Empty values are left out: they read as empty.
  flatbuffers::Offset<flatbuffers::String> Text(std::string_view text) {
    if (text.empty()) return 0;
    return builder_.CreateString(text.data(), text.size());
  }
  flatbuffers::Offset<flatbuffers::Vector<uint8_t>> Bytes(std::string_view bytes) {
    if (bytes.empty()) return 0;
    return builder_.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  flatbuffers::Offset<flatbuffers::Vector<int32_t>> Ints(const std::vector<int32_t>& values) {
    if (values.empty()) return 0;
    return builder_.CreateVector(values);
  }
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>> Texts(
      const std::vector<std::string>& texts) {
    if (texts.empty()) return 0;
    return builder_.CreateVectorOfStrings(texts);
  }
  // `write(item)` returns the offset of one table.
  template <typename Table, typename Item, typename Write>
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<Table>>> Tables(
      const std::vector<Item>& items, Write write) {
    if (items.empty()) return 0;
    std::vector<flatbuffers::Offset<Table>> offsets;
    offsets.reserve(items.size());
    for (const Item& item : items) offsets.emplace_back(write(item));
    return builder_.CreateVector(offsets);
  }
  template <typename Item>
  flatbuffers::Offset<flatbuffers::Vector<const Digest*>> Digests(const std::vector<Item>& items) {
    if (items.empty()) return 0;
    Digest* out = nullptr;
    const auto offset = builder_.CreateUninitializedVectorOfStructs(items.size(), &out);
    for (const Item& item : items) std::memcpy(out++, item.bytes.data(), item.bytes.size());
    return offset;
  }
  // `write(item)` returns the struct.
  template <typename Struct, typename Item, typename Write>
  flatbuffers::Offset<flatbuffers::Vector<const Struct*>> Structs(const std::vector<Item>& items,
                                                                  Write write) {
    if (items.empty()) return 0;
    std::vector<Struct> structs;
    structs.reserve(items.size());
    for (const Item& item : items) structs.push_back(write(item));
    return builder_.CreateVectorOfStructs(structs);
  }
  static Digest ToDigest(const std::array<uint8_t, 32>& bytes) {
    return Digest(flatbuffers::span<const uint8_t, 32>(bytes.data(), bytes.size()));
  }

 private:
  flatbuffers::FlatBufferBuilder builder_{512};
};

// Takes values out of a verified message. The first failure sticks; after it every value reads as
// empty. A verified message may still point to the same bytes many times over; a well-formed one
// never does, so the bytes taken out may not exceed the message's size. Not thread safe.
class Reader {
 public:
  explicit Reader(size_t message_bytes) : budget_(message_bytes) {}

  static constexpr size_t kMaxItems = 1 << 18;  // tables in one vector
  static constexpr size_t kNameBytes = 256;     // names and other short texts

  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }
  void Fail(std::string error) {
    if (!failed()) error_ = std::move(error);
  }

  std::string Text(const flatbuffers::String* text) {
    if (text == nullptr || !Take(text->size())) return {};
    return std::string(text->data(), text->size());
  }
  std::string Name(const flatbuffers::String* text, const char* field) {
    if (text != nullptr && text->size() > kNameBytes) {
      Fail(std::string(field) + " is longer than " + std::to_string(kNameBytes) + " bytes");
    }
    return Text(text);
  }
  std::string Bytes(const flatbuffers::Vector<uint8_t>* bytes) {
    if (bytes == nullptr || !Take(bytes->size())) return {};
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  std::vector<int32_t> Ints(const flatbuffers::Vector<int32_t>* values) {
    if (values == nullptr || !Take(size_t{values->size()} * sizeof(int32_t))) return {};
    std::vector<int32_t> out(values->size());
    if (!out.empty()) std::memcpy(out.data(), values->data(), out.size() * sizeof(int32_t));
    return out;
  }
  std::vector<std::string> Texts(
      const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* texts,
      const char* field) {
    return Tables<std::string>(texts, field,
                               [this](const flatbuffers::String* text) { return Text(text); });
  }
  template <typename Out>
  Out Digest256(const Digest* digest, const char* field) {
    Out out;
    if (digest == nullptr) {
      Fail(std::string(field) + " is missing");
    } else if (Take(out.bytes.size())) {
      std::memcpy(out.bytes.data(), digest, out.bytes.size());
    }
    return out;
  }
  template <typename Out>
  std::vector<Out> Digests(const flatbuffers::Vector<const Digest*>* digests) {
    static_assert(sizeof(Out) == sizeof(Digest));
    if (digests == nullptr || !Take(size_t{digests->size()} * sizeof(Digest))) return {};
    std::vector<Out> out(digests->size());
    const uint8_t* in = digests->Data();
    for (Out& digest : out) {
      std::memcpy(digest.bytes.data(), in, sizeof(Digest));
      in += sizeof(Digest);
    }
    return out;
  }
  // `read(table)` converts one table (or string).
  template <typename Out, typename Table, typename Read>
  std::vector<Out> Tables(const flatbuffers::Vector<flatbuffers::Offset<Table>>* tables,
                          const char* field, Read read) {
    std::vector<Out> out;
    if (tables == nullptr) return out;
    if (tables->size() > kMaxItems) {
      Fail(std::string(field) + " has " + std::to_string(tables->size()) + " items, the limit is " +
           std::to_string(kMaxItems));
    }
    if (failed() || !Take(size_t{tables->size()} * kTableBytes)) return out;
    out.reserve(std::min<size_t>(tables->size(), 1024));  // a small message may claim many
    for (const Table* table : *tables) {
      out.push_back(read(table));
      if (failed()) return {};
    }
    return out;
  }
  // A table that is a field of another one: what is small in a message may be large when it is
  // read.
  template <typename Table>
  const Table* Nested(const Table* table) {
    return table != nullptr && Take(kTableBytes) ? table : nullptr;
  }
  // `read(struct)` converts one.
  template <typename Out, typename Struct, typename Read>
  std::vector<Out> Structs(const flatbuffers::Vector<const Struct*>* structs, Read read) {
    std::vector<Out> out;
    if (structs == nullptr || !Take(size_t{structs->size()} * sizeof(Struct))) return out;
    out.reserve(structs->size());
    for (const Struct* item : *structs) out.push_back(read(*item));
    return out;
  }
  template <typename Out, typename In>
  Out Enum(In value, std::pair<Out, Out> range, const char* field) {
    const auto number = static_cast<uint8_t>(value);
    if (number < static_cast<uint8_t>(range.first) || number > static_cast<uint8_t>(range.second)) {
      Fail(std::string(field) + " has the unknown value " + std::to_string(number));
      return range.first;
    }
    return static_cast<Out>(number);
  }
  double Finite(double value, const char* field) {
    if (std::isfinite(value)) return value;
    Fail(std::string(field) + " is not a finite number");
    return 0;
  }
  template <typename Table>
  const Table* Need(const Table* table, const char* field) {
    if (table == nullptr) Fail(std::string(field) + " is missing");
    return table;
  }

 private:
  static constexpr size_t kTableBytes = 8;  // at least: an offset to it, and its own to its vtable

  bool Take(size_t bytes) {
    if (failed()) return false;
    if (bytes > budget_) {
      Fail("the message uses the same bytes more than once");
      return false;
    }
    budget_ -= bytes;
    return true;
  }

  size_t budget_;
  std::string error_;
};

// Ids of 16 bytes.
template <typename Id>
RequestId ToWire(const Id& id) {
  return RequestId(flatbuffers::span<const uint8_t, 16>(id.bytes.data(), id.bytes.size()));
}
template <typename Id>
Id FromWire(const RequestId& in) {
  Id out;
  std::memcpy(out.bytes.data(), &in, out.bytes.size());
  return out;
}

}  // namespace promptcache::wire
