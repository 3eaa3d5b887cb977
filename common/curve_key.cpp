#include "common/curve_key.h"

#include <sodium.h>

#include <algorithm>
#include <optional>

namespace promptcache {
namespace {

constexpr std::string_view kDigits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr size_t kKeyBytes = 32;
constexpr size_t kKeyDigits = 40;
constexpr size_t kGroupBytes = 4;
constexpr size_t kGroupDigits = 5;

// Of each group of four bytes, the first most significant, five digits of base 85.
std::string Encode(std::span<const uint8_t, kKeyBytes> bytes) {
  std::string text(kKeyDigits, '\0');
  for (size_t group = 0; group < kKeyBytes / kGroupBytes; ++group) {
    uint32_t value = 0;
    for (size_t i = 0; i < kGroupBytes; ++i) value = value << 8 | bytes[group * kGroupBytes + i];
    for (size_t i = kGroupDigits; i-- > 0; value /= 85) {
      text[group * kGroupDigits + i] = kDigits[value % 85];
    }
  }
  return text;
}

std::optional<std::array<uint8_t, kKeyBytes>> Decode(std::string_view text) {
  if (text.size() != kKeyDigits) return std::nullopt;
  std::array<uint8_t, kKeyBytes> bytes{};
  for (size_t group = 0; group < kKeyBytes / kGroupBytes; ++group) {
    uint64_t value = 0;
    for (const char c : text.substr(group * kGroupDigits, kGroupDigits)) {
      const size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value * 85 + digit;
    }
    if (value > UINT32_MAX) return std::nullopt;
    for (size_t i = kGroupBytes; i-- > 0; value >>= 8) {
      bytes[group * kGroupBytes + i] = static_cast<uint8_t>(value);
    }
  }
  return bytes;
}

}  // namespace

std::string ToZ85(const CurvePublicKey& key) { return Encode(key.bytes); }

Result<CurvePublicKey> CurvePublicKeyFromZ85(std::string_view text) {
  const auto bytes = Decode(text);
  if (!bytes) {
    // Not quoted: what stands in the wrong place may be a secret.
    return InvalidArgument("the public key is not one of 40 characters in Z85");
  }
  return CurvePublicKey{*bytes};
}

CurveSecretKey::CurveSecretKey(const std::array<uint8_t, 32>& bytes) : bytes_(bytes) {
  static_assert(crypto_scalarmult_SCALARBYTES == sizeof(bytes_));
  static_assert(crypto_scalarmult_BYTES == sizeof(public_key_.bytes));
  crypto_scalarmult_base(public_key_.bytes.data(), bytes_.data());
}

CurveSecretKey::~CurveSecretKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

CurveSecretKey CurveSecretKey::Generate() {
  std::array<uint8_t, kKeyBytes> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  const CurveSecretKey key(bytes);
  sodium_memzero(bytes.data(), bytes.size());
  return key;
}

Result<CurveSecretKey> CurveSecretKey::FromZ85(std::string_view text) {
  auto bytes = Decode(text);
  if (!bytes) return InvalidArgument("the secret key is not one of 40 characters in Z85");
  const CurveSecretKey key(*bytes);
  sodium_memzero(bytes->data(), bytes->size());
  return key;
}

std::string CurveSecretKey::ToZ85() const { return Encode(bytes_); }

void Wipe(std::string& text) {
  text.resize(text.capacity());
  sodium_memzero(text.data(), text.size());
  text.clear();
}

}  // namespace promptcache
