#include "common/text/protobuf_reader.h"

#include <string>

namespace promptcache {

Status ProtobufReader::Fault(const char* what) const {
  return InvalidArgument("not protobuf: " + std::string(what) + " at byte " + std::to_string(at_));
}

Result<uint64_t> ProtobufReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at_ == message_.size()) return Fault("the end of the message inside a number");
    const auto byte = static_cast<uint8_t>(message_[at_++]);
    if (shift == 63 && byte > 1) break;
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return Fault("a number past 64 bits");
}

Result<uint64_t> ProtobufReader::Fixed(size_t bytes) {
  if (message_.size() - at_ < bytes) return Fault("the end of the message inside a number");
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= uint64_t{static_cast<uint8_t>(message_[at_ + i])} << 8 * i;
  }
  at_ += bytes;
  return value;
}

Result<std::optional<ProtobufField>> ProtobufReader::Next() {
  using Type = ProtobufField::Type;
  if (at_ == message_.size()) return std::optional<ProtobufField>();
  PC_ASSIGN_OR_RETURN(const uint64_t tag, Varint());
  if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return Fault("a field without a number");
  ProtobufField field{static_cast<uint32_t>(tag >> 3), static_cast<Type>(tag & 7), 0, {}};
  switch (field.type) {
    case Type::kVarint: {
      PC_ASSIGN_OR_RETURN(field.value, Varint());
      return std::optional(field);
    }
    case Type::kFixed64: {
      PC_ASSIGN_OR_RETURN(field.value, Fixed(8));
      return std::optional(field);
    }
    case Type::kFixed32: {
      PC_ASSIGN_OR_RETURN(field.value, Fixed(4));
      return std::optional(field);
    }
    case Type::kBytes: {
      PC_ASSIGN_OR_RETURN(const uint64_t size, Varint());
      if (size > message_.size() - at_) return Fault("a field that is longer than the message");
      field.bytes = message_.substr(at_, size);
      at_ += size;
      return std::optional(field);
    }
  }
  return Fault("a field of an unknown type");
}

}  // namespace promptcache
