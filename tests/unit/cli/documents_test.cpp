// Files that a schema names, and files that are replaced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/cachestore/temp_dir.h"
#include "tools/cli/bundle.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/replace_file.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
    return directory_.Sub(name);
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempDir directory_;
};

using ReadBelowTest = Files;

TEST_F(ReadBelowTest, ReadsFilesOfTheFolderAndOfFoldersInIt) {
  Write("a.txt", "a");
  fs::create_directory(directory_.path() / "in");
  Write("in/b.txt", "b");
  fs::create_symlink("in/b.txt", directory_.path() / "link.txt");
  const std::string folder = directory_.path().string();
  EXPECT_EQ(*ReadBelow(folder, "a.txt", 10), "a");
  EXPECT_EQ(*ReadBelow(folder, "in/b.txt", 10), "b");
  EXPECT_EQ(*ReadBelow(folder, "link.txt", 10), "b");
}

TEST_F(ReadBelowTest, NothingLeadsOutOfTheFolder) {
  Write("secret.txt", "secret");
  fs::create_directories(directory_.path() / "in/deep");
  fs::create_symlink("../secret.txt", directory_.path() / "in/out.txt");
  fs::create_symlink(directory_.path(), directory_.path() / "in/up");
  fs::create_symlink("/proc/self/root", directory_.path() / "in/magic");
  const std::string folder = directory_.Sub("in");
  for (const char* path : {"../secret.txt", "deep/../../secret.txt", "out.txt", "up/secret.txt",
                           "/etc/hostname", "magic/etc/hostname"}) {
    const auto text = ReadBelow(folder, path, 100);
    ASSERT_FALSE(text.ok()) << path;
    EXPECT_THAT(text.status().message(), ::testing::AnyOf(HasSubstr("out of the schema's folder"),
                                                          HasSubstr("symbolic links")))
        << path;
  }
}

TEST_F(ReadBelowTest, OnlyRegularFilesOfBoundedSizeAreRead) {
  const std::string folder = directory_.path().string();
  ASSERT_EQ(::mkfifo(directory_.Sub("pipe").c_str(), 0600), 0);
  Write("large", std::string(11, 'x'));
  EXPECT_THAT(ReadBelow(folder, "pipe", 10).status().message(), HasSubstr("not a regular file"));
  EXPECT_THAT(ReadBelow(folder, ".", 10).status().message(), HasSubstr("not a regular file"));
  EXPECT_THAT(ReadBelow(folder, "large", 10).status().message(), HasSubstr("larger than 10"));
  EXPECT_EQ(ReadBelow(folder, "missing", 10).status().code(), Code::kNotFound);
  EXPECT_THAT(ReadBelow(directory_.Sub("missing"), "a", 10).status().message(),
              HasSubstr("cannot open"));
}

using OfflineSchemaTest = Files;

TEST_F(OfflineSchemaTest, CarriesTheFilesItNames) {
  Write("a.txt", "from a");
  const std::string file =
      Write("s.xml", "<schema name='s' src='a.txt'><module name='M' src='a.txt'/></schema>");
  const auto schema = OfflineSchema::Read({.file = file}, {});
  ASSERT_TRUE(schema.ok());
  ASSERT_TRUE((*schema)->ok()) << (*schema)->diagnostics().Render();
  const SchemaAdd add = (*schema)->ToAdd(7);
  EXPECT_THAT(add.sources, ElementsAre(SourceFile{"a.txt", "from a"}));
  EXPECT_EQ(add.max_tokens, 7U);
  EXPECT_EQ(add.document, Read(file));
}

TEST_F(OfflineSchemaTest, FilesMayLieBelowAnotherFolder) {
  fs::create_directory(directory_.path() / "texts");
  Write("texts/a.txt", "x");
  const std::string file = Write("s.xml", "<schema name='s' src='a.txt'/>");
  EXPECT_FALSE((*OfflineSchema::Read({.file = file}, {}))->ok());
  EXPECT_TRUE(
      (*OfflineSchema::Read({.file = file, .src_root = directory_.Sub("texts")}, {}))->ok());
}

TEST_F(OfflineSchemaTest, WhatCannotBeReadIsReportedWhereItIsNamed) {
  const std::string file =
      Write("s.xml", "<schema name='s'>\n<module name='M' src='a.txt'/></schema>");
  const Status status = ReadSchemaAdd({.file = file}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("s.xml:2:18: error: <module name='M'> in 's': src "
                                          "'a.txt': there is no such file [PML0601]"));
  EXPECT_EQ(ReadSchemaAdd({.file = directory_.Sub("none.xml")}).status().code(), Code::kNotFound);
}

using ReplaceFileTest = Files;

TEST_F(ReplaceFileTest, KeepsPermissionsAndLeavesNothingBehind) {
  const std::string file = Write("f", "old");
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  ASSERT_TRUE(ReplaceFile(file, "new").ok());
  EXPECT_EQ(Read(file), "new");
  EXPECT_EQ(fs::status(file).permissions(),
            fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(ReplaceFileTest, ALinkStaysALinkAndItsFileIsReplaced) {
  const std::string file = Write("f", "old");
  fs::create_symlink("f", directory_.path() / "link");
  ASSERT_TRUE(ReplaceFile(directory_.Sub("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(directory_.path() / "link"));
  EXPECT_EQ(Read(file), "new");
}

TEST_F(ReplaceFileTest, OnlyRegularFilesAreReplaced) {
  ASSERT_EQ(::mkfifo(directory_.Sub("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReplaceFile(directory_.Sub("pipe"), "x").code(), Code::kInvalidArgument);
  EXPECT_TRUE(fs::is_fifo(directory_.path() / "pipe"));
  EXPECT_EQ(ReplaceFile(directory_.path().string(), "x").code(), Code::kInvalidArgument);
}

TEST_F(ReplaceFileTest, AnErrorNamesThePath) {
  const Status status = ReplaceFile(directory_.Sub("none/f"), "x");
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("none/f"));
}

}  // namespace
}  // namespace promptcache::testing
