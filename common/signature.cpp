#include "common/signature.h"

#include <sodium.h>

namespace promptcache {

SigningKey SigningKey::Generate() {
  Digest256 seed;
  randombytes_buf(seed.bytes.data(), seed.bytes.size());
  return SigningKey(seed);
}

SigningKey::SigningKey(const Digest256& seed) : seed_(seed) {
  static_assert(crypto_sign_SEEDBYTES == sizeof(seed_.bytes));
  static_assert(crypto_sign_PUBLICKEYBYTES == sizeof(public_key_.bytes));
  static_assert(crypto_sign_SECRETKEYBYTES == sizeof(secret_));
  crypto_sign_seed_keypair(public_key_.bytes.data(), secret_.data(), seed_.bytes.data());
}

Signature SigningKey::Sign(std::span<const uint8_t> message) const {
  static_assert(crypto_sign_BYTES == sizeof(Signature));
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), secret_.data());
  return signature;
}

bool IsSignedBy(const PublicKey& key, std::span<const uint8_t> message,
                const Signature& signature) {
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     key.bytes.data()) == 0;
}

}  // namespace promptcache
