// Ed25519 signatures: who says that these bytes are right. Pure and thread safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/hash.h"

namespace promptcache {

using PublicKey = Digest256;
using Signature = std::array<uint8_t, 64>;

class SigningKey {
 public:
  static SigningKey Generate();  // from the system's entropy source
  // The same seed gives the same key. Whoever knows it can sign.
  explicit SigningKey(const Digest256& seed);

  const Digest256& seed() const { return seed_; }
  const PublicKey& public_key() const { return public_key_; }
  Signature Sign(std::span<const uint8_t> message) const;

 private:
  Digest256 seed_;
  PublicKey public_key_;
  std::array<uint8_t, 64> secret_;
};

// Whether the owner of `key` signed exactly these bytes.
bool IsSignedBy(const PublicKey& key, std::span<const uint8_t> message, const Signature& signature);

}  // namespace promptcache
