// The fields of a protobuf message, in the order in which they are written. What they mean is the
// caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/status.h"

namespace promptcache {

struct ProtobufField {
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  uint32_t number = 0;
  Type type = Type::kVarint;
  uint64_t value = 0;      // of numbers, as written
  std::string_view bytes;  // of kBytes: a view into the message
};

class ProtobufReader {
 public:
  // `message` outlives the reader.
  explicit ProtobufReader(std::string_view message) : message_(message) {}

  // nullopt at the end. kInvalidArgument, naming the offset, for what is no message or ends inside
  // a field, and for groups. Allocates nothing.
  Result<std::optional<ProtobufField>> Next();

 private:
  Result<uint64_t> Varint();
  Result<uint64_t> Fixed(size_t bytes);
  Status Fault(const char* what) const;

  const std::string_view message_;
  size_t at_ = 0;
};

}  // namespace promptcache
