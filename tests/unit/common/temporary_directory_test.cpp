#include "common/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

TEST(TemporaryDirectory, IsGoneWithItsScopeAndAllThatIsInIt) {
  const TempDir parent;
  {
    const auto made = TemporaryDirectory::Make("some", parent.path());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    EXPECT_THAT(made->path(), StartsWith(parent.Sub("some.")));
    std::ofstream(made->path() + "/file") << "text";
    EXPECT_FALSE(fs::is_empty(parent.path()));
  }
  EXPECT_TRUE(fs::is_empty(parent.path()));
}

TEST(TemporaryDirectory, StaysWhenItIsKept) {
  const TempDir parent;
  const std::string path = TemporaryDirectory::Make("some", parent.path())->Keep();
  EXPECT_TRUE(fs::is_directory(path));
}

TEST(TemporaryDirectory, SaysWhereItCannotBeMade) {
  const TempDir parent;
  const Status status = TemporaryDirectory::Make("some", parent.Sub("absent")).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(parent.Sub("absent") + ": No such file"));
}

}  // namespace
}  // namespace promptcache
