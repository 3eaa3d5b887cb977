#include "common/signature.h"

#include <gtest/gtest.h>

namespace promptcache {
namespace {

std::string Hex(std::span<const uint8_t> bytes) {
  return Digest256::FromBytes(bytes.first(32))->ToHex() +
         Digest256::FromBytes(bytes.subspan(32))->ToHex();
}

// RFC 8032, 7.1, test 1: the empty message.
TEST(Signature, MatchesTheKnownSignatureOfNothing) {
  const SigningKey key(
      *Digest256::FromHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  EXPECT_EQ(key.public_key().ToHex(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(Hex(key.Sign({})),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
            "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
}

TEST(Signature, HoldsForItsKeyAndItsMessageOnly) {
  const SigningKey key = SigningKey::Generate();
  std::array<uint8_t, 3> message = {1, 2, 3};
  Signature signature = key.Sign(message);
  EXPECT_TRUE(IsSignedBy(key.public_key(), message, signature));
  EXPECT_FALSE(IsSignedBy(SigningKey::Generate().public_key(), message, signature));
  signature[5] ^= 1;
  EXPECT_FALSE(IsSignedBy(key.public_key(), message, signature));
  signature[5] ^= 1;
  message[0] ^= 1;
  EXPECT_FALSE(IsSignedBy(key.public_key(), message, signature));
}

TEST(Signature, KeyFollowsFromItsSeed) {
  const SigningKey key = SigningKey::Generate();
  EXPECT_EQ(SigningKey(key.seed()).public_key(), key.public_key());
  EXPECT_NE(SigningKey::Generate().seed(), key.seed());
}

}  // namespace
}  // namespace promptcache
