#include "common/ids.h"

#include <sodium.h>

#include <cstring>

namespace promptcache {

RequestId RequestId::Random() {
  RequestId id;
  randombytes_buf(id.bytes.data(), id.bytes.size());
  return id;
}

std::string RequestId::ToHex() const {
  std::array<char, 33> hex;
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  return std::string(hex.data(), 32);
}

Result<RequestId> RequestId::FromHex(std::string_view hex) {
  RequestId id;
  size_t length = 0;
  const char* end = nullptr;
  if (hex.size() != 32 ||
      sodium_hex2bin(id.bytes.data(), id.bytes.size(), hex.data(), hex.size(), nullptr, &length,
                     &end) != 0 ||
      length != 16 || end != hex.data() + hex.size()) {
    return InvalidArgument("a request id has 32 hex digits");
  }
  return id;
}

}  // namespace promptcache

size_t std::hash<promptcache::RequestId>::operator()(
    const promptcache::RequestId& id) const noexcept {
  size_t value;
  std::memcpy(&value, id.bytes.data(), sizeof(value));
  return value;
}
