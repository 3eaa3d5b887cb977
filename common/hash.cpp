#include "common/hash.h"

#include <sodium.h>
#define XXH_STATIC_LINKING_ONLY  // the size of XXH3_state_t, so that a stream needs no allocation
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // AVX2 and AVX-512 where the CPU has them
#endif

#include <cstring>
#include <new>

namespace promptcache {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

template <typename T>
void AppendLittleEndian(Blake2b& hasher, T value) {
  std::array<uint8_t, sizeof(T)> bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  hasher.AddBytes(bytes);
}

crypto_generichash_state* State(std::array<uint8_t, 384>& bytes) {
  static_assert(sizeof(crypto_generichash_state) <= 384);
  return reinterpret_cast<crypto_generichash_state*>(bytes.data());
}

}  // namespace

std::string Digest256::ToHex() const {
  std::string hex;
  hex.reserve(64);
  for (uint8_t byte : bytes) {
    hex.push_back(kHexDigits[byte >> 4]);
    hex.push_back(kHexDigits[byte & 15]);
  }
  return hex;
}

Result<Digest256> Digest256::FromHex(std::string_view hex) {
  if (hex.size() != 64)
    return InvalidArgument("a digest has 64 hex digits, not " + std::to_string(hex.size()));
  Digest256 digest;
  for (size_t i = 0; i < 32; ++i) {
    const int high = HexValue(hex[2 * i]);
    const int low = HexValue(hex[2 * i + 1]);
    if (high < 0 || low < 0) return InvalidArgument("a digest has hex digits only");
    digest.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return digest;
}

uint64_t Digest256::Head() const {
  uint64_t head = 0;
  for (size_t i = sizeof(head); i-- > 0;) head = head << 8 | bytes[i];
  return head;
}

Result<Digest256> Digest256::FromBytes(std::span<const uint8_t> bytes) {
  if (bytes.size() != 32)
    return InvalidArgument("a digest has 32 bytes, not " + std::to_string(bytes.size()));
  Digest256 digest;
  std::memcpy(digest.bytes.data(), bytes.data(), 32);
  return digest;
}

std::string Hash128::ToHex() const {
  std::string hex(32, '0');
  for (int i = 0; i < 16; ++i) {
    hex[15 - i] = kHexDigits[high >> (4 * i) & 15];
    hex[31 - i] = kHexDigits[low >> (4 * i) & 15];
  }
  return hex;
}

Blake2b::Blake2b() {
  crypto_generichash_init(new (state_.data()) crypto_generichash_state, nullptr, 0, 32);
}

Blake2b& Blake2b::AddBytes(std::span<const uint8_t> bytes) {
  crypto_generichash_update(State(state_), bytes.data(), bytes.size());
  return *this;
}

Blake2b& Blake2b::AddString(std::string_view text) {
  AddU64(text.size());
  return AddBytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

Blake2b& Blake2b::AddU32(uint32_t value) {
  AppendLittleEndian(*this, value);
  return *this;
}

Blake2b& Blake2b::AddU64(uint64_t value) {
  AppendLittleEndian(*this, value);
  return *this;
}

Blake2b& Blake2b::AddI32s(std::span<const int32_t> values) {
  AddU64(values.size());
  for (int32_t value : values) AppendLittleEndian(*this, static_cast<uint32_t>(value));
  return *this;
}

Digest256 Blake2b::Finish() {
  Digest256 digest;
  crypto_generichash_final(State(state_), digest.bytes.data(), digest.bytes.size());
  return digest;
}

Xxh3Stream::Xxh3Stream() {
  static_assert(sizeof(XXH3_state_t) <= sizeof(state_));
  auto* state = new (state_.data()) XXH3_state_t;
  XXH3_INITSTATE(state);
  XXH3_128bits_reset(state);
}

Xxh3Stream& Xxh3Stream::Add(std::span<const uint8_t> bytes) {
  XXH3_128bits_update(reinterpret_cast<XXH3_state_t*>(state_.data()), bytes.data(), bytes.size());
  return *this;
}

Hash128 Xxh3Stream::Finish() const {
  const auto* state = reinterpret_cast<const XXH3_state_t*>(state_.data());
  const XXH128_hash_t hash = XXH3_128bits_digest(state);
  return {.low = hash.low64, .high = hash.high64};
}

Digest256 Blake2b256(std::span<const uint8_t> bytes) { return Blake2b().AddBytes(bytes).Finish(); }

Hash128 Xxh3_128(std::span<const uint8_t> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {.low = hash.low64, .high = hash.high64};
}

}  // namespace promptcache

size_t std::hash<promptcache::Digest256>::operator()(
    const promptcache::Digest256& digest) const noexcept {
  size_t value;
  std::memcpy(&value, digest.bytes.data(), sizeof(value));
  return value;
}
