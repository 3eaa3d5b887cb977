#include "tests/unit/formats/gguf_builder.h"

#include "common/formats/gguf_types.h"

namespace promptcache::testing {

ByteWriter& ByteWriter::PutString(std::string_view text) {
  Put<uint64_t>(text.size());
  return PutBytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

ByteWriter& ByteWriter::PutBytes(std::span<const uint8_t> bytes) {
  // insert() of a range here makes GCC 12 warn of an overflow that cannot be.
  for (const uint8_t byte : bytes) bytes_.push_back(byte);
  return *this;
}

GgufBuilder& GgufBuilder::Raw(std::string_view key, uint32_t type, const ByteWriter& payload) {
  values_.PutString(key).Put(type).PutBytes(payload.bytes());
  ++value_count_;
  return *this;
}

GgufBuilder& GgufBuilder::U32(std::string_view key, uint32_t value) {
  return Raw(key, gguf::kUint32, ByteWriter().Put(value));
}

GgufBuilder& GgufBuilder::F32(std::string_view key, float value) {
  return Raw(key, gguf::kFloat32, ByteWriter().Put(value));
}

GgufBuilder& GgufBuilder::Bool(std::string_view key, bool value) {
  return Raw(key, gguf::kBool, ByteWriter().Put<uint8_t>(value ? 1 : 0));
}

GgufBuilder& GgufBuilder::String(std::string_view key, std::string_view value) {
  return Raw(key, gguf::kString, ByteWriter().PutString(value));
}

GgufBuilder& GgufBuilder::Strings(std::string_view key, const std::vector<std::string>& values) {
  ByteWriter payload;
  payload.Put<uint32_t>(gguf::kString).Put<uint64_t>(values.size());
  for (const std::string& value : values) payload.PutString(value);
  return Raw(key, gguf::kArray, payload);
}

GgufBuilder& GgufBuilder::I32s(std::string_view key, const std::vector<int32_t>& values) {
  ByteWriter payload;
  payload.Put<uint32_t>(gguf::kInt32).Put<uint64_t>(values.size());
  for (int32_t value : values) payload.Put(value);
  return Raw(key, gguf::kArray, payload);
}

GgufBuilder& GgufBuilder::F32s(std::string_view key, const std::vector<float>& values) {
  ByteWriter payload;
  payload.Put<uint32_t>(gguf::kFloat32).Put<uint64_t>(values.size());
  for (float value : values) payload.Put(value);
  return Raw(key, gguf::kArray, payload);
}

GgufBuilder& GgufBuilder::TensorAt(std::string_view name, GgufTensorType type,
                                   std::vector<uint64_t> dims, uint64_t offset) {
  tensors_.PutString(name).Put(static_cast<uint32_t>(dims.size()));
  for (uint64_t dim : dims) tensors_.Put(dim);
  tensors_.Put(static_cast<uint32_t>(type)).Put(offset);
  ++tensor_count_;
  return *this;
}

GgufBuilder& GgufBuilder::Tensor(std::string_view name, GgufTensorType type,
                                 std::vector<uint64_t> dims, std::vector<uint8_t> bytes) {
  data_.resize((data_.size() + alignment_ - 1) / alignment_ * alignment_);
  TensorAt(name, type, std::move(dims), data_.size());
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  return *this;
}

GgufBuilder& GgufBuilder::Alignment(uint64_t alignment) {
  alignment_ = alignment;
  return U32("general.alignment", static_cast<uint32_t>(alignment));
}

std::vector<uint8_t> GgufBuilder::Header() const {
  ByteWriter header;
  header.Put<uint32_t>(0x46554747).Put<uint32_t>(3).Put(tensor_count_).Put(value_count_);
  header.PutBytes(values_.bytes()).PutBytes(tensors_.bytes());
  return header.bytes();
}

std::vector<uint8_t> GgufBuilder::Build() const {
  std::vector<uint8_t> file = Header();
  file.resize((file.size() + alignment_ - 1) / alignment_ * alignment_);
  file.insert(file.end(), data_.begin(), data_.end());
  return file;
}

}  // namespace promptcache::testing
