// 128-bit random request ids.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace promptcache {

struct RequestId {
  std::array<uint8_t, 16> bytes{};

  static RequestId Random();  // from the system's entropy source; thread safe
  std::string ToHex() const;  // 32 lower-case digits
  static Result<RequestId> FromHex(std::string_view hex);
  bool is_zero() const { return *this == RequestId{}; }
  auto operator<=>(const RequestId&) const = default;
};

}  // namespace promptcache

template <>
struct std::hash<promptcache::RequestId> {
  size_t operator()(const promptcache::RequestId& id) const noexcept;
};
