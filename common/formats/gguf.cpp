#include "common/formats/gguf.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "common/formats/gguf_types.h"

namespace promptcache {
namespace {

using namespace gguf;  // the file's type numbers

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

struct Integer {
  bool negative = false;
  uint64_t bits = 0;  // two's complement
};

template <typename T>
Integer FromSigned(const uint8_t* from) {
  const auto value = static_cast<int64_t>(Load<T>(from));
  return {value < 0, static_cast<uint64_t>(value)};
}

std::optional<Integer> LoadInteger(uint32_t type, const uint8_t* from) {
  switch (type) {
    case kUint8:
      return Integer{false, Load<uint8_t>(from)};
    case kUint16:
      return Integer{false, Load<uint16_t>(from)};
    case kUint32:
      return Integer{false, Load<uint32_t>(from)};
    case kUint64:
      return Integer{false, Load<uint64_t>(from)};
    case kInt8:
      return FromSigned<int8_t>(from);
    case kInt16:
      return FromSigned<int16_t>(from);
    case kInt32:
      return FromSigned<int32_t>(from);
    case kInt64:
      return FromSigned<int64_t>(from);
    default:
      return std::nullopt;
  }
}

// The string whose length stands at `from`; its bounds were verified while parsing.
std::string_view LoadString(const uint8_t* from) {
  return {reinterpret_cast<const char*>(from) + 8, Load<uint64_t>(from)};
}

}  // namespace

Result<GgufBlock> BlockOf(GgufTensorType type) {
  switch (type) {
    case GgufTensorType::kF32:
      return GgufBlock{1, 4};
    case GgufTensorType::kF16:
    case GgufTensorType::kBF16:
      return GgufBlock{1, 2};
    case GgufTensorType::kQ4_0:
      return GgufBlock{32, 18};
    case GgufTensorType::kQ4_1:
      return GgufBlock{32, 20};
    case GgufTensorType::kQ5_0:
      return GgufBlock{32, 22};
    case GgufTensorType::kQ5_1:
      return GgufBlock{32, 24};
    case GgufTensorType::kQ8_0:
      return GgufBlock{32, 34};
    case GgufTensorType::kQ2_K:
      return GgufBlock{256, 84};
    case GgufTensorType::kQ3_K:
      return GgufBlock{256, 110};
    case GgufTensorType::kQ4_K:
      return GgufBlock{256, 144};
    case GgufTensorType::kQ5_K:
      return GgufBlock{256, 176};
    case GgufTensorType::kQ6_K:
      return GgufBlock{256, 210};
  }
  return Unimplemented("tensor " + GgufTypeName(type) + " is not known");
}

std::string GgufTypeName(GgufTensorType type) {
  switch (type) {
    case GgufTensorType::kF32:
      return "F32";
    case GgufTensorType::kF16:
      return "F16";
    case GgufTensorType::kBF16:
      return "BF16";
    case GgufTensorType::kQ4_0:
      return "Q4_0";
    case GgufTensorType::kQ4_1:
      return "Q4_1";
    case GgufTensorType::kQ5_0:
      return "Q5_0";
    case GgufTensorType::kQ5_1:
      return "Q5_1";
    case GgufTensorType::kQ8_0:
      return "Q8_0";
    case GgufTensorType::kQ2_K:
      return "Q2_K";
    case GgufTensorType::kQ3_K:
      return "Q3_K";
    case GgufTensorType::kQ4_K:
      return "Q4_K";
    case GgufTensorType::kQ5_K:
      return "Q5_K";
    case GgufTensorType::kQ6_K:
      return "Q6_K";
  }
  return fmt::format("type {}", static_cast<uint32_t>(type));
}

uint64_t GgufTensor::elements() const {
  uint64_t product = 1;
  for (uint64_t dim : dims) product *= dim;
  return product;
}

GgufFile::GgufFile(std::string name, std::span<const uint8_t> bytes, GgufDirectory directory)
    : name_(std::move(name)), bytes_(bytes), directory_(std::move(directory)) {
  for (size_t i = 0; i < directory_.tensors.size(); ++i) {
    tensor_index_.emplace(directory_.tensors[i].name, i);
  }
}

Result<std::shared_ptr<const GgufFile>> GgufFile::Parse(std::span<const uint8_t> bytes,
                                                        std::string name) {
  auto directory = ParseGgufDirectory(bytes);
  if (!directory.ok()) return directory.status().WithContext(name);
  return std::shared_ptr<const GgufFile>(
      new GgufFile(std::move(name), bytes, *std::move(directory)));
}

Result<std::shared_ptr<const GgufFile>> GgufFile::Open(const std::string& path) {
  PC_ASSIGN_OR_RETURN(auto mapping, MappedFile::Open(path));
  auto directory = ParseGgufDirectory(mapping->bytes());
  if (!directory.ok()) return directory.status().WithContext(path);
  std::shared_ptr<GgufFile> file(new GgufFile(path, mapping->bytes(), *std::move(directory)));
  file->mapping_ = std::move(mapping);
  return std::shared_ptr<const GgufFile>(std::move(file));
}

bool GgufFile::Has(std::string_view key) const {
  return directory_.values.find(key) != directory_.values.end();
}

Result<const GgufValue*> GgufFile::Find(std::string_view key) const {
  const auto found = directory_.values.find(key);
  if (found == directory_.values.end()) {
    return NotFound(fmt::format("{}: the key '{}' is missing", name_, key));
  }
  return &found->second;
}

Status GgufFile::WrongType(std::string_view key, std::string_view wanted) const {
  return InvalidArgument(fmt::format("{}: the key '{}' is not {}", name_, key, wanted));
}

Result<uint64_t> GgufFile::GetUnsigned(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  const auto integer = LoadInteger(value->type, bytes_.data() + value->offset);
  if (!integer || integer->negative) return WrongType(key, "a non-negative integer");
  return integer->bits;
}

Result<double> GgufFile::GetFloat(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  const uint8_t* from = bytes_.data() + value->offset;
  if (value->type == kFloat32) return double{Load<float>(from)};
  if (value->type == kFloat64) return Load<double>(from);
  return WrongType(key, "a floating-point number");
}

Result<bool> GgufFile::GetBool(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  if (value->type != kBool) return WrongType(key, "a boolean");
  return bytes_[value->offset] != 0;
}

Result<std::string> GgufFile::GetString(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  if (value->type != kString) return WrongType(key, "a string");
  return std::string(LoadString(bytes_.data() + value->offset));
}

Result<std::vector<std::string>> GgufFile::GetStrings(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  if (value->type != kArray || value->element_type != kString) {
    return WrongType(key, "an array of strings");
  }
  std::vector<std::string> strings;
  strings.reserve(value->count);
  const uint8_t* from = bytes_.data() + value->offset;
  for (uint64_t i = 0; i < value->count; ++i) {
    const std::string_view text = LoadString(from);
    strings.emplace_back(text);
    from += 8 + text.size();
  }
  return strings;
}

Result<std::vector<int64_t>> GgufFile::GetIntegers(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  const uint32_t size = ScalarBytes(value->element_type);
  std::vector<int64_t> integers;
  if (value->type != kArray) return WrongType(key, "an array of integers");
  integers.reserve(value->count);
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto integer = LoadInteger(value->element_type, bytes_.data() + value->offset + i * size);
    if (!integer || (!integer->negative && integer->bits > INT64_MAX)) {
      return WrongType(key, "an array of integers");
    }
    integers.push_back(static_cast<int64_t>(integer->bits));
  }
  return integers;
}

Result<std::vector<float>> GgufFile::GetFloats(std::string_view key) const {
  PC_ASSIGN_OR_RETURN(const GgufValue* value, Find(key));
  if (value->type != kArray || value->element_type != kFloat32) {
    return WrongType(key, "an array of 32-bit floating-point numbers");
  }
  std::vector<float> floats(value->count);
  if (!floats.empty()) {
    std::memcpy(floats.data(), bytes_.data() + value->offset, floats.size() * sizeof(float));
  }
  return floats;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &directory_.tensors[found->second];
}

}  // namespace promptcache
