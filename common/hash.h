// BLAKE2b-256 for names that must not collide (recipes, unit keys, versions), XXH3-128 for
// checksums against accidental damage. Both are pure and thread safe.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/status.h"

namespace promptcache {

struct Digest256 {
  std::array<uint8_t, 32> bytes{};

  std::string ToHex() const;                               // 64 lower-case digits
  static Result<Digest256> FromHex(std::string_view hex);  // kInvalidArgument unless 64 hex digits
  static Result<Digest256> FromBytes(std::span<const uint8_t> bytes);  // unless 32 bytes
  uint64_t Head() const;  // the first 8 bytes, little-endian
  auto operator<=>(const Digest256&) const = default;
};

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  std::string ToHex() const;  // 32 lower-case digits, high half first
  auto operator<=>(const Hash128&) const = default;
};

// Incremental BLAKE2b with a 32-byte digest. Integers enter as little endian, strings with their
// length before them, so that no two sequences of Add calls give the same bytes by accident.
class Blake2b {
 public:
  Blake2b();
  Blake2b& AddBytes(std::span<const uint8_t> bytes);
  Blake2b& AddString(std::string_view text);  // u64 length, then the bytes
  Blake2b& AddU32(uint32_t value);
  Blake2b& AddU64(uint64_t value);
  Blake2b& AddI32s(std::span<const int32_t> values);  // u64 count, then the values
  Digest256 Finish();                                 // call once

 private:
  alignas(64) std::array<uint8_t, 384> state_;  // crypto_generichash_state
};

// XXH3-128 of bytes that arrive in pieces: Finish gives what Xxh3_128 gives for all of them in
// order.
class Xxh3Stream {
 public:
  Xxh3Stream();
  Xxh3Stream& Add(std::span<const uint8_t> bytes);
  Hash128 Finish() const;

 private:
  alignas(64) std::array<uint8_t, 576> state_;  // XXH3_state_t
};

Digest256 Blake2b256(std::span<const uint8_t> bytes);
Hash128 Xxh3_128(std::span<const uint8_t> bytes);

}  // namespace promptcache

template <>
struct std::hash<promptcache::Digest256> {
  size_t operator()(const promptcache::Digest256& digest) const noexcept;
};
