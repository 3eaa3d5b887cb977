#include "common/formats/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/formats/gguf.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class MappedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "mapped_file_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  void ExpectFault(const std::string& path, Code code, const std::string& part) {
    for (const Status& fault : {MappedFile::Open(path).status(), GgufFile::Open(path).status()}) {
      EXPECT_EQ(fault.code(), code);
      EXPECT_THAT(fault.message(), HasSubstr(path));
      EXPECT_THAT(fault.message(), HasSubstr(part));
    }
  }

  fs::path folder_;
};

TEST_F(MappedFileTest, HasTheBytesOfTheFile) {
  const std::string path = Write("file", std::string("a\0b", 3));
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ((*file)->path(), path);
  EXPECT_THAT((*file)->bytes(), ::testing::ElementsAre('a', 0, 'b'));
}

TEST_F(MappedFileTest, KeepsTheBytesWhenTheFileIsRemoved) {
  const std::string path = Write("file", "abc");
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  fs::remove(path);
  EXPECT_THAT((*file)->bytes(), ::testing::ElementsAre('a', 'b', 'c'));
}

TEST_F(MappedFileTest, AMissingFileIsNotFound) {
  ExpectFault(folder_ / "missing", Code::kNotFound, "No such file");
}

TEST_F(MappedFileTest, AnEmptyFileIsNoModel) {
  ExpectFault(Write("empty", ""), Code::kInvalidArgument, "is empty");
}

TEST_F(MappedFileTest, AFolderIsNoFile) {
  ExpectFault(folder_, Code::kInvalidArgument, "is not a regular file");
}

// Opening one for reading would wait for a writer.
TEST_F(MappedFileTest, APipeIsNoFile) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  ExpectFault(path, Code::kInvalidArgument, "is not a regular file");
}

TEST_F(MappedFileTest, AFileThatIsNoGgufIsNamed) {
  const std::string path = Write("text", "not a model at all");
  const auto file = GgufFile::Open(path);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(file.status().message(), HasSubstr(path + ": not a GGUF file"));
}

}  // namespace
}  // namespace promptcache::testing
