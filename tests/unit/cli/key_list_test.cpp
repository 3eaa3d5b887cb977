#include "tools/cli/key_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempDir;

PublicLinkKey KeyOf(const std::string& name) {
  return {.owner = {.name = name, .role = PeerRole::kWorker},
          .key = CurveSecretKey::Generate().public_key()};
}

TEST(KeyList, IsMadeByTheFirstKeyAndKeepsTheOrder) {
  const TempDir dir;
  const PublicLinkKey first = KeyOf("b");
  const PublicLinkKey second = KeyOf("a");
  ASSERT_TRUE(AllowKey(dir.Sub("keys.toml"), first).ok());
  ASSERT_TRUE(AllowKey(dir.Sub("keys.toml"), second).ok());
  EXPECT_EQ(Allowlist::Load(dir.Sub("keys.toml"))->keys(), (std::vector{first, second}));
}

TEST(KeyList, MayBeANameInTheCurrentFolder) {
  const TempDir dir;
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  const Status allowed = AllowKey("keys.toml", KeyOf("a"));
  fs::current_path(before);
  EXPECT_TRUE(allowed.ok()) << allowed.ToString();
  EXPECT_TRUE(Allowlist::Load(dir.Sub("keys.toml")).ok());
}

TEST(KeyList, LosesAKeyByNameOrByItself) {
  const TempDir dir;
  const PublicLinkKey a = KeyOf("a");
  const PublicLinkKey b = KeyOf("b");
  const PublicLinkKey c = KeyOf("c");
  for (const PublicLinkKey& key : {a, b, c}) {
    ASSERT_TRUE(AllowKey(dir.Sub("keys.toml"), key).ok());
  }
  EXPECT_TRUE(RevokeKey(dir.Sub("keys.toml"), "a").ok());
  EXPECT_TRUE(RevokeKey(dir.Sub("keys.toml"), ToZ85(c.key)).ok());
  EXPECT_EQ(Allowlist::Load(dir.Sub("keys.toml"))->keys(), std::vector{b});
  const Status unknown = RevokeKey(dir.Sub("keys.toml"), "a");
  EXPECT_EQ(unknown.code(), Code::kNotFound);
  EXPECT_THAT(unknown.message(), HasSubstr(dir.Sub("keys.toml")));
}

TEST(KeyList, ThatIsDamagedIsNotReplaced) {
  const TempDir dir;
  std::ofstream(dir.Sub("keys.toml")) << "[[key";
  EXPECT_EQ(AllowKey(dir.Sub("keys.toml"), KeyOf("a")).code(), Code::kInvalidArgument);
  EXPECT_EQ(fs::file_size(dir.Sub("keys.toml")), 5u);
}

TEST(KeyList, KeepsItsPermissionsAndLeavesNothingBeside) {
  const TempDir dir;
  ASSERT_TRUE(AllowKey(dir.Sub("keys.toml"), KeyOf("a")).ok());
  const auto shared = fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read;
  fs::permissions(dir.Sub("keys.toml"), shared);
  ASSERT_TRUE(AllowKey(dir.Sub("keys.toml"), KeyOf("b")).ok());
  EXPECT_EQ(fs::status(dir.Sub("keys.toml")).permissions(), shared);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
}

TEST(KeyList, ChangesAtOnceAreAllKept) {
  constexpr int kThreads = 8;
  constexpr int kKeys = 10;
  const TempDir dir;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&dir, t] {
      for (int i = 0; i < kKeys; ++i) {
        const std::string name = std::to_string(t) + "-" + std::to_string(i);
        EXPECT_TRUE(AllowKey(dir.Sub("keys.toml"), KeyOf(name)).ok());
      }
    });
  }
  threads.clear();
  EXPECT_EQ(Allowlist::Load(dir.Sub("keys.toml"))->keys().size(), size_t{kThreads * kKeys});
}

}  // namespace
}  // namespace promptcache
