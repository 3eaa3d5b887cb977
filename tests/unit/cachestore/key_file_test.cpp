#include "cachestore/pack/key_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

TEST(KeyFile, HoldsAKeyThatOnlyItsOwnerMayRead) {
  const TempDir dir;
  const PublicKey key = WriteNewSigningKey(dir.Sub("key")).value();
  EXPECT_EQ(ReadSigningKey(dir.Sub("key"))->public_key(), key);
  EXPECT_EQ(ReadPublicKey(dir.Sub("key.pub")).value(), key);
  EXPECT_EQ(ReadPublicKey(key.ToHex()).value(), key);
  EXPECT_EQ(fs::status(dir.Sub("key")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST(KeyFile, IsNeverReplaced) {
  const TempDir dir;
  const PublicKey key = WriteNewSigningKey(dir.Sub("key")).value();
  EXPECT_EQ(WriteNewSigningKey(dir.Sub("key")).status().code(), Code::kAlreadyExists);
  fs::remove(dir.Sub("key.pub"));
  EXPECT_EQ(WriteNewSigningKey(dir.Sub("key")).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(ReadSigningKey(dir.Sub("key"))->public_key(), key);
}

TEST(KeyFile, OfTheOtherKindIsRefused) {
  const TempDir dir;
  ASSERT_TRUE(WriteNewSigningKey(dir.Sub("key")).ok());
  EXPECT_EQ(ReadSigningKey(dir.Sub("key.pub")).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ReadPublicKey(dir.Sub("key")).status().code(), Code::kInvalidArgument);
}

TEST(KeyFile, ThatIsNoneIsNamed) {
  const TempDir dir;
  EXPECT_EQ(ReadSigningKey(dir.Sub("none")).status().code(), Code::kNotFound);
  for (const std::string text : {"", "promptcache-signing-key 12", "promptcache-signing-key "}) {
    std::ofstream(dir.Sub("key"), std::ios::trunc) << text;
    const Status status = ReadSigningKey(dir.Sub("key")).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(dir.Sub("key")), std::string::npos);
  }
}

}  // namespace
}  // namespace promptcache
