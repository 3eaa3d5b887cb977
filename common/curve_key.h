// Keys of encrypted links (CURVE: X25519), in Z85 where people see them. Pure and thread safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/hash.h"
#include "common/status.h"

namespace promptcache {

using CurvePublicKey = Digest256;

// 40 printable characters, none of them a space, a quote, a comma or a backslash.
std::string ToZ85(const CurvePublicKey& key);
// kInvalidArgument, without the text, unless it is a key in Z85.
Result<CurvePublicKey> CurvePublicKeyFromZ85(std::string_view text);

// Wiped when it goes. Nothing prints it: what goes wrong is told without a byte of it.
class CurveSecretKey {
 public:
  static CurveSecretKey Generate();  // from the system's entropy source
  // kInvalidArgument unless it is a key in Z85.
  static Result<CurveSecretKey> FromZ85(std::string_view text);
  CurveSecretKey(const CurveSecretKey&) = default;
  CurveSecretKey& operator=(const CurveSecretKey&) = default;
  ~CurveSecretKey();

  const CurvePublicKey& public_key() const { return public_key_; }
  std::span<const uint8_t, 32> bytes() const { return bytes_; }
  // For the key file alone; who asks for it wipes it.
  std::string ToZ85() const;

 private:
  explicit CurveSecretKey(const std::array<uint8_t, 32>& bytes);
  std::array<uint8_t, 32> bytes_;
  CurvePublicKey public_key_;
};

// Overwrites the text, also what lies beyond its end, in a way that no compiler leaves out.
void Wipe(std::string& text);

}  // namespace promptcache
