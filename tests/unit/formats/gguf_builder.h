// Writes GGUF files byte by byte, well formed or deliberately not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/gguf.h"

namespace promptcache::testing {

// Little-endian bytes, appended one after the other.
class ByteWriter {
 public:
  template <typename T>
  ByteWriter& Put(T value) {
    return PutBytes({reinterpret_cast<const uint8_t*>(&value), sizeof(T)});
  }
  ByteWriter& PutString(std::string_view text);  // u64 length, then the bytes
  ByteWriter& PutBytes(std::span<const uint8_t> bytes);
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// A file of version 3 with the values and tensors in the order in which they were added.
class GgufBuilder {
 public:
  GgufBuilder& U32(std::string_view key, uint32_t value);
  GgufBuilder& F32(std::string_view key, float value);
  GgufBuilder& Bool(std::string_view key, bool value);
  GgufBuilder& String(std::string_view key, std::string_view value);
  GgufBuilder& Strings(std::string_view key, const std::vector<std::string>& values);
  GgufBuilder& I32s(std::string_view key, const std::vector<int32_t>& values);
  GgufBuilder& F32s(std::string_view key, const std::vector<float>& values);
  // A value of any type number; `payload` is what follows the number.
  GgufBuilder& Raw(std::string_view key, uint32_t type, const ByteWriter& payload);

  GgufBuilder& Tensor(std::string_view name, GgufTensorType type, std::vector<uint64_t> dims,
                      std::vector<uint8_t> bytes);
  // A tensor whose place in the data is what the test says.
  GgufBuilder& TensorAt(std::string_view name, GgufTensorType type, std::vector<uint64_t> dims,
                        uint64_t offset);
  // For files that state another general.alignment.
  GgufBuilder& Alignment(uint64_t alignment);

  std::vector<uint8_t> Build() const;
  // Magic, counts, values and tensor descriptions, without the data.
  std::vector<uint8_t> Header() const;

 private:
  ByteWriter values_;
  ByteWriter tensors_;
  std::vector<uint8_t> data_;
  uint64_t value_count_ = 0;
  uint64_t tensor_count_ = 0;
  uint64_t alignment_ = 32;
};

}  // namespace promptcache::testing
