#include "cachestore/format/byte_planes.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>
#include <type_traits>

namespace promptcache {
namespace {

// What compresses is how often each byte occurs, which every level uses; the matches that higher
// ones look for are not there.
constexpr int kLevel = 1;
constexpr size_t kLengthBytes = 8;

// The last elements may lack their last bytes.
uint64_t PlaneBytes(uint64_t bytes, size_t width, size_t plane) {
  return (bytes + width - 1 - plane) / width;
}

// The width as a constant, so that the loops over elements become vector instructions.
template <typename Call>
auto WithWidth(size_t width, Call call) {
  if (width == 1) return call(std::integral_constant<size_t, 1>());
  if (width == 2) return call(std::integral_constant<size_t, 2>());
  return call(std::integral_constant<size_t, 4>());
}

template <size_t kWidth>
void TakePlane(std::span<const uint8_t> bytes, size_t plane, std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = bytes[plane + i * kWidth];
}

// `planes`: one behind the other.
template <size_t kWidth>
void JoinPlanes(std::span<const uint8_t> planes, std::span<uint8_t> out) {
  std::array<const uint8_t*, kWidth> from;
  const uint8_t* next = planes.data();
  for (size_t plane = 0; plane < kWidth; ++plane) {
    from[plane] = next;
    next += PlaneBytes(out.size(), kWidth, plane);
  }
  const size_t whole = out.size() / kWidth;
  uint8_t* to = out.data();
  for (size_t i = 0; i < whole; ++i) {
    for (size_t plane = 0; plane < kWidth; ++plane) to[i * kWidth + plane] = from[plane][i];
  }
  for (size_t at = whole * kWidth; at < out.size(); ++at) to[at] = from[at % kWidth][whole];
}

void StoreLength(uint64_t length, std::span<uint8_t> out) {
  for (size_t i = 0; i < kLengthBytes; ++i) out[i] = static_cast<uint8_t>(length >> (8 * i));
}

uint64_t LoadLength(std::span<const uint8_t> bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{bytes[i]} << (8 * i);
  return length;
}

// Appends the plane's data, which is the shorter of the two, and returns its length.
Result<uint64_t> AppendPlane(std::span<const uint8_t> plane, std::vector<uint8_t>& packed) {
  const size_t at = packed.size();
  packed.resize(at + ZSTD_compressBound(plane.size()));
  size_t length =
      ZSTD_compress(&packed[at], packed.size() - at, plane.data(), plane.size(), kLevel);
  if (ZSTD_isError(length) != 0) {
    return ResourceExhausted(std::string("zstd: ") + ZSTD_getErrorName(length));
  }
  if (length >= plane.size()) {
    length = plane.size();
    std::copy(plane.begin(), plane.end(), packed.begin() + static_cast<ptrdiff_t>(at));
  }
  packed.resize(at + length);
  return length;
}

Status UnpackPlane(std::span<const uint8_t> data, std::span<uint8_t> plane) {
  if (data.size() == plane.size()) {
    std::copy(data.begin(), data.end(), plane.begin());
    return {};
  }
  const size_t length = ZSTD_decompress(plane.data(), plane.size(), data.data(), data.size());
  if (length == plane.size()) return {};
  return DataLoss("a byte plane does not decompress to its " + std::to_string(plane.size()) +
                  " bytes");
}

}  // namespace

Result<std::vector<uint8_t>> PackBytePlanes(std::span<const uint8_t> bytes, size_t width) {
  std::vector<uint8_t> packed(kLengthBytes * width);
  std::vector<uint8_t> plane;
  for (size_t i = 0; i < width; ++i) {
    plane.resize(PlaneBytes(bytes.size(), width, i));
    WithWidth(width, [&](auto constant) { TakePlane<constant()>(bytes, i, plane); });
    PC_ASSIGN_OR_RETURN(const uint64_t length, AppendPlane(plane, packed));
    StoreLength(length, std::span(packed).subspan(kLengthBytes * i));
  }
  return packed;
}

Status UnpackBytePlanes(std::span<const uint8_t> packed, size_t width, std::span<uint8_t> out) {
  if (packed.size() < kLengthBytes * width) return DataLoss("shorter than its planes' lengths");
  std::span<const uint8_t> data = packed.subspan(kLengthBytes * width);
  std::vector<uint8_t> planes(out.size());
  std::span<uint8_t> rest = planes;
  for (size_t i = 0; i < width; ++i) {
    const uint64_t length = LoadLength(packed.subspan(kLengthBytes * i));
    const auto plane = rest.first(PlaneBytes(out.size(), width, i));
    if (length > data.size() || length > plane.size()) return DataLoss("a byte plane is too long");
    PC_RETURN_IF_ERROR(UnpackPlane(data.first(length), plane));
    data = data.subspan(length);
    rest = rest.subspan(plane.size());
  }
  if (!data.empty()) return DataLoss("bytes behind the last byte plane");
  WithWidth(width, [&](auto constant) { JoinPlanes<constant()>(planes, out); });
  return {};
}

}  // namespace promptcache
