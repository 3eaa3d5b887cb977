#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "common/formats/gguf.h"
#include "common/formats/gguf_types.h"

namespace promptcache {
namespace {

using namespace gguf;  // the file's type numbers

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
// The directory stays small beside the file.
constexpr uint64_t kFreeEntries = 128;
constexpr uint64_t kBytesPerEntry = 512;
constexpr uint64_t kMaxKeyBytes = 1 << 16;
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kDefaultAlignment = 32;

// Reads forward through the header; the first failure sticks in the Status it returns.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint64_t offset() const { return offset_; }

  template <typename T>
  Result<T> Read(const char* what) {
    PC_RETURN_IF_ERROR(Need(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  Result<std::string> ReadString(uint64_t max_bytes, const char* what) {
    PC_ASSIGN_OR_RETURN(const uint64_t length, Read<uint64_t>(what));
    if (length > max_bytes) {
      return InvalidArgument(fmt::format("at byte {}: {} of {} bytes, at most {}", offset_ - 8,
                                         what, length, max_bytes));
    }
    PC_RETURN_IF_ERROR(Need(length, what));
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + offset_, length);
    offset_ += length;
    return text;
  }

  Status Skip(uint64_t count, const char* what) {
    PC_RETURN_IF_ERROR(Need(count, what));
    offset_ += count;
    return {};
  }

 private:
  Status Need(uint64_t count, const char* what) const {
    if (count <= bytes_.size() - offset_) return {};
    return InvalidArgument(fmt::format("at byte {}: the file ends inside {}", offset_, what));
  }

  const std::span<const uint8_t> bytes_;
  uint64_t offset_ = 0;
};

Status SkipStrings(Cursor& cursor, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    PC_ASSIGN_OR_RETURN(const uint64_t length, cursor.Read<uint64_t>("a string of an array"));
    PC_RETURN_IF_ERROR(cursor.Skip(length, "a string of an array"));
  }
  return {};
}

Result<GgufValue> ReadValue(Cursor& cursor) {
  GgufValue value;
  PC_ASSIGN_OR_RETURN(value.type, cursor.Read<uint32_t>("a value's type"));
  value.offset = cursor.offset();
  if (value.type == kString) {
    PC_RETURN_IF_ERROR(SkipStrings(cursor, 1));
    return value;
  }
  if (value.type != kArray) {
    const uint32_t size = ScalarBytes(value.type);
    if (size == 0) {
      return InvalidArgument(
          fmt::format("at byte {}: unknown value type {}", value.offset - 4, value.type));
    }
    PC_RETURN_IF_ERROR(cursor.Skip(size, "a value"));
    return value;
  }
  PC_ASSIGN_OR_RETURN(value.element_type, cursor.Read<uint32_t>("an array's type"));
  PC_ASSIGN_OR_RETURN(value.count, cursor.Read<uint64_t>("an array's length"));
  value.offset = cursor.offset();
  if (value.element_type == kString) {
    PC_RETURN_IF_ERROR(SkipStrings(cursor, value.count));
    return value;
  }
  const uint32_t size = ScalarBytes(value.element_type);
  if (size == 0 || value.count > std::numeric_limits<uint64_t>::max() / 8) {
    return InvalidArgument(fmt::format("at byte {}: an array of type {} with {} elements",
                                       value.offset - 12, value.element_type, value.count));
  }
  PC_RETURN_IF_ERROR(cursor.Skip(size * value.count, "an array"));
  return value;
}

Result<GgufTensor> ReadTensor(Cursor& cursor, uint64_t& offset) {
  GgufTensor tensor;
  PC_ASSIGN_OR_RETURN(tensor.name, cursor.ReadString(kMaxKeyBytes, "a tensor's name"));
  PC_ASSIGN_OR_RETURN(const uint32_t dims, cursor.Read<uint32_t>("a tensor's dimensions"));
  if (dims == 0 || dims > kMaxDims) {
    return InvalidArgument(
        fmt::format("tensor '{}' has {} dimensions, not 1 to {}", tensor.name, dims, kMaxDims));
  }
  uint64_t elements = 1;
  for (uint32_t i = 0; i < dims; ++i) {
    PC_ASSIGN_OR_RETURN(const uint64_t dim, cursor.Read<uint64_t>("a tensor's dimensions"));
    if (dim == 0 || dim > (uint64_t{1} << 40) / elements) {
      return InvalidArgument(
          fmt::format("tensor '{}': dimension {} of {} is out of range", tensor.name, i, dim));
    }
    elements *= dim;
    tensor.dims.push_back(dim);
  }
  PC_ASSIGN_OR_RETURN(const uint32_t type, cursor.Read<uint32_t>("a tensor's type"));
  tensor.type = static_cast<GgufTensorType>(type);
  PC_ASSIGN_OR_RETURN(offset, cursor.Read<uint64_t>("a tensor's offset"));
  return tensor;
}

// Points the tensor at its bytes. Unknown types keep an empty span: they fail when used.
Status PlaceTensor(std::span<const uint8_t> data, uint64_t offset, uint64_t alignment,
                   GgufTensor& tensor) {
  const auto block = BlockOf(tensor.type);
  if (!block.ok()) return {};
  if (tensor.dims[0] % block->elements != 0) {
    return InvalidArgument(
        fmt::format("tensor '{}': rows of {} elements are no multiple of the {} "
                    "elements in a block of {}",
                    tensor.name, tensor.dims[0], block->elements, GgufTypeName(tensor.type)));
  }
  const uint64_t size = tensor.elements() / block->elements * block->bytes;
  if (offset % alignment != 0) {
    return InvalidArgument(fmt::format("tensor '{}': offset {} is not a multiple of {}",
                                       tensor.name, offset, alignment));
  }
  if (offset > data.size() || size > data.size() - offset) {
    return InvalidArgument(
        fmt::format("tensor '{}': {} bytes at offset {} of the data, which has {} (is the file "
                    "cut short?)",
                    tensor.name, size, offset, data.size()));
  }
  tensor.bytes = data.subspan(offset, size);
  return {};
}

Status CheckNoOverlap(const std::vector<GgufTensor>& tensors) {
  std::vector<const GgufTensor*> sorted;
  for (const GgufTensor& tensor : tensors) {
    if (!tensor.bytes.empty()) sorted.push_back(&tensor);
  }
  std::sort(sorted.begin(), sorted.end(), [](const GgufTensor* a, const GgufTensor* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const auto& ahead = sorted[i - 1]->bytes;
    if (ahead.data() + ahead.size() > sorted[i]->bytes.data()) {
      return InvalidArgument(
          fmt::format("tensors '{}' and '{}' overlap", sorted[i - 1]->name, sorted[i]->name));
    }
  }
  return {};
}

Status ReadValues(Cursor& cursor, uint64_t count, GgufDirectory& directory) {
  for (uint64_t i = 0; i < count; ++i) {
    PC_ASSIGN_OR_RETURN(std::string key, cursor.ReadString(kMaxKeyBytes, "a key"));
    auto value = ReadValue(cursor);
    if (!value.ok()) return value.status().WithContext("key '" + key + "'");
    if (!directory.values.emplace(key, *value).second) {
      return InvalidArgument("key '" + key + "' occurs twice");
    }
  }
  return {};
}

Result<uint64_t> AlignmentOf(std::span<const uint8_t> bytes, const GgufDirectory& directory) {
  const auto found = directory.values.find("general.alignment");
  if (found == directory.values.end()) return kDefaultAlignment;
  if (found->second.type != kUint32) {
    return InvalidArgument("general.alignment is not a 32-bit unsigned integer");
  }
  uint32_t alignment = 0;
  std::memcpy(&alignment, bytes.data() + found->second.offset, sizeof(alignment));
  if (alignment == 0 || alignment % 8 != 0 || alignment > (1 << 20)) {
    return InvalidArgument(
        fmt::format("general.alignment is {}, not a multiple of 8 up to {}", alignment, 1 << 20));
  }
  return alignment;
}

}  // namespace

Result<GgufDirectory> ParseGgufDirectory(std::span<const uint8_t> bytes) {
  Cursor cursor(bytes);
  PC_ASSIGN_OR_RETURN(const uint32_t magic, cursor.Read<uint32_t>("the magic"));
  if (magic != kMagic) return InvalidArgument("not a GGUF file: it does not begin with 'GGUF'");
  PC_ASSIGN_OR_RETURN(const uint32_t version, cursor.Read<uint32_t>("the version"));
  if (version != 2 && version != 3) {
    return InvalidArgument(fmt::format("GGUF version {} is not 2 or 3", version));
  }
  PC_ASSIGN_OR_RETURN(const uint64_t tensor_count, cursor.Read<uint64_t>("the tensor count"));
  PC_ASSIGN_OR_RETURN(const uint64_t value_count, cursor.Read<uint64_t>("the key count"));
  const uint64_t limit = kFreeEntries + bytes.size() / kBytesPerEntry;
  if (tensor_count > limit || value_count > limit) {
    return InvalidArgument(
        fmt::format("{} tensors and {} keys; at most {} of each are read in a "
                    "file of {} bytes",
                    tensor_count, value_count, limit, bytes.size()));
  }
  GgufDirectory directory;
  PC_RETURN_IF_ERROR(ReadValues(cursor, value_count, directory));
  PC_ASSIGN_OR_RETURN(const uint64_t alignment, AlignmentOf(bytes, directory));

  std::vector<uint64_t> offsets(tensor_count);
  directory.tensors.reserve(tensor_count);
  std::set<std::string_view> names;  // of directory.tensors, which stay where they are
  for (uint64_t& offset : offsets) {
    PC_ASSIGN_OR_RETURN(GgufTensor tensor, ReadTensor(cursor, offset));
    directory.tensors.push_back(std::move(tensor));
    const std::string& name = directory.tensors.back().name;
    if (!names.insert(name).second) return InvalidArgument("tensor '" + name + "' occurs twice");
  }
  const uint64_t start = (cursor.offset() + alignment - 1) / alignment * alignment;
  const auto data = start <= bytes.size() ? bytes.subspan(start) : std::span<const uint8_t>();
  for (size_t i = 0; i < offsets.size(); ++i) {
    PC_RETURN_IF_ERROR(PlaceTensor(data, offsets[i], alignment, directory.tensors[i]));
  }
  PC_RETURN_IF_ERROR(CheckNoOverlap(directory.tensors));
  return directory;
}

}  // namespace promptcache
