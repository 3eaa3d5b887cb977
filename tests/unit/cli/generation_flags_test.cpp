#include "tools/cli/generation_flags.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace promptcache::testing {
namespace {

class GenerationFlagsTest : public ::testing::Test {
 protected:
  GenerationFlagsTest() {
    flags_.AddTo(app_);
    flags_.AddPriorityTo(app_);
  }
  // Whether the command line is accepted. CLI11 takes the words from the last to the first.
  bool Parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());
    try {
      app_.parse(std::move(words));
    } catch (const CLI::ParseError&) {
      return false;
    }
    return true;
  }

  CLI::App app_;
  GenerationFlags flags_;
};

TEST_F(GenerationFlagsTest, PriorityGoesWithTheRequest) {
  ASSERT_TRUE(Parse({}));
  EXPECT_EQ(flags_.ToSubmit("p").priority, 0);
  ASSERT_TRUE(Parse({"--priority", "255"}));
  EXPECT_EQ(flags_.ToSubmit("p").priority, 255);
}

TEST_F(GenerationFlagsTest, PriorityIsFrom0To255) {
  for (const char* wrong : {"256", "-1", "1.5", "high"}) {
    EXPECT_FALSE(Parse({"--priority", wrong})) << wrong;
  }
}

}  // namespace
}  // namespace promptcache::testing
