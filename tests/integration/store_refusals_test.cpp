// What `promptcache store` refuses, and that it then leaves everything as it was.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/integration/store_fixture.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kPrecondition = 6;

TEST_F(StoreCommand, RemovesWhatIsPinnedOnlyOnceItIsUnpinned) {
  ASSERT_EQ(OnDirectory({"pin", "--schema", "desk"}).exit_code, 0);
  const std::vector<std::vector<std::string>> removals = {
      {"rm", "--schema", "desk"}, {"rm", "--schema", "desk", "--prove"}, {"rm", KeyOf(1)}};
  for (const std::vector<std::string>& words : removals) {
    const ProgramResult refused = OnDirectory(words);
    EXPECT_EQ(refused.exit_code, kPrecondition) << refused.output;
    EXPECT_THAT(refused.output, AllOf(HasSubstr("promptcache store unpin " + KeyOf(1).substr(0, 12)),
                                      Not(HasSubstr("no file of the store holds"))));
    EXPECT_EQ(JsonOnDirectory({"ls", "--schema", "desk"})["totals"]["blobs"], 2);
  }
  const json refused = json::parse(OnDirectory({"rm", "--schema", "desk", "--json"}).output);
  EXPECT_EQ(refused["pinned"].size(), 2U);
  EXPECT_EQ(refused["shared"], json::array());
  ASSERT_EQ(OnDirectory({"unpin", "--schema", "desk"}).exit_code, 0);
  EXPECT_EQ(JsonOnDirectory({"rm", "--schema", "desk"})["removed"][0]["key"], KeyOf(1));
}

}  // namespace
}  // namespace promptcache::testing
