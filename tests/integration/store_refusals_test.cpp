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

constexpr int kInvalid = 3;
constexpr int kMissing = 4;
constexpr int kPrecondition = 6;

TEST_F(StoreCommand, RemovesWhatIsPinnedOnlyOnceItIsUnpinned) {
  ASSERT_EQ(OnDirectory({"pin", "--schema", "desk"}).exit_code, 0);
  const std::vector<std::vector<std::string>> removals = {
      {"rm", "--schema", "desk"}, {"rm", "--schema", "desk", "--prove"}, {"rm", KeyOf(1)}};
  for (const std::vector<std::string>& words : removals) {
    const ProgramResult refused = OnDirectory(words);
    EXPECT_EQ(refused.exit_code, kPrecondition) << refused.output;
    EXPECT_THAT(refused.output, AllOf(HasSubstr("promptcache store unpin --directory " +
                                                Directory() + " " + KeyOf(1).substr(0, 12)),
                                      Not(HasSubstr("no file of the store holds"))));
    EXPECT_EQ(JsonOnDirectory({"ls", "--schema", "desk"})["totals"]["blobs"], 2);
  }
  const json refused = json::parse(OnDirectory({"rm", "--schema", "desk", "--json"}).output);
  EXPECT_EQ(refused["pinned"].size(), 2U);
  EXPECT_EQ(refused["shared"], json::array());
  ASSERT_EQ(OnDirectory({"unpin", "--schema", "desk"}).exit_code, 0);
  EXPECT_EQ(JsonOnDirectory({"rm", "--schema", "desk"})["removed"][0]["key"], KeyOf(1));
}

TEST_F(StoreCommand, RemovesWhatHasExpiredAndIsNotListedAnyMore) {
  AddUnit(4, {{.reference = {.tenant = "gone", .schema = "desk"}, .lifetime = {.ttl_ms = 1}}});
  EXPECT_EQ(JsonOnDirectory({"ls", "--tenant", "gone"})["totals"]["blobs"], 0);
  const json removed = JsonOnDirectory({"rm", "--tenant", "gone", "--prove"});
  EXPECT_EQ(removed["removed"][0]["key"], KeyOf(4));
  EXPECT_EQ(OnDirectory({"rm", "--tenant", "gone"}).exit_code, kMissing);
}

TEST_F(StoreCommand, FindsNothingThatNobodyNamed) {
  const std::vector<std::vector<std::string>> commands = {
      {"rm"}, {"rm", "--prove"}, {"rm", "--dry-run"}, {"verify"}, {"pin"}, {"unpin"}};
  for (std::vector<std::string> words : commands) {
    words.insert(words.end(), {"--schema", "desc", "--module", "desc/refunds"});
    const ProgramResult none = OnDirectory(words);
    EXPECT_EQ(none.exit_code, kMissing) << words[0] << none.output;
    EXPECT_THAT(none.errors, AllOf(HasSubstr("schema 'desc', module 'desc/refunds'"),
                                   HasSubstr("promptcache store ls")));
  }
  EXPECT_EQ(OnDirectory({"verify", KeyOf(3), "--schema", "desk"}).exit_code, kMissing);
  EXPECT_EQ(JsonOnDirectory({"ls", "--schema", "desc"})["totals"]["blobs"], 0);
}

TEST_F(StoreCommand, TakesAVersionAndAModuleAsTheyAreWritten) {
  EXPECT_EQ(OnDirectory({"ls", "--version", "zz"}).exit_code, 2);
  EXPECT_EQ(OnDirectory({"ls", "--version", "0123"}).exit_code, 2);
  EXPECT_EQ(JsonOnDirectory({"ls", "--version", "0123456789abcdef"})["totals"]["blobs"], 2);
  EXPECT_EQ(JsonOnDirectory({"ls", "--module", "desk/refunds/"})["totals"]["blobs"], 1);
  EXPECT_EQ(OnDirectory({"verify", "--module", "/"}).exit_code, kMissing);
  EXPECT_EQ(OnDirectory({"verify", "--schema", ""}).exit_code, 2);
  EXPECT_EQ(OnDirectory({"show", ""}).exit_code, kInvalid);
}

TEST_F(StoreCommand, SaysWhichWordsAndPathsItTakes) {
  const ProgramResult order = OnDirectory({"ls", "--sort", "colour"});
  EXPECT_EQ(order.exit_code, 2);
  EXPECT_THAT(order.errors, HasSubstr("{age,key,saved,schema,size,tokens,used}"));
  EXPECT_EQ(JsonOnDirectory({"ls", "--sort", "size"})["totals"]["blobs"], 3);
  for (const char* endpoint : {"nonsense", "tcp://127.0.0.1", "tcp://127.0.0.1:99999"}) {
    EXPECT_EQ(Store({"ls", "--endpoint", endpoint}).exit_code, kInvalid) << endpoint;
    EXPECT_EQ(Store({"diff", std::string("foo://") + endpoint, Directory()}).exit_code, kInvalid);
  }
  EXPECT_EQ(Store({"ls", "--directory", ""}).exit_code, 2);
  EXPECT_EQ(Store({"ls", "--endpoint", ""}).exit_code, 2);
  const std::string pack = File("all.pcpk");
  EXPECT_EQ(OnDirectory({"export", pack, "--all"}).exit_code, 2);
  ASSERT_EQ(OnDirectory({"export", pack}).exit_code, 0);
  const ProgramResult no_directory =
      Store({"import", pack, "--allow-unsigned", "--directory", pack});
  EXPECT_EQ(no_directory.exit_code, kInvalid);
  EXPECT_THAT(no_directory.errors, HasSubstr(pack));
}

TEST_F(StoreCommand, ShowsByAKeyAloneOrSaysWhichThereAre) {
  EXPECT_EQ(OnDirectory({"show", KeyOf(1).substr(0, 12)}).exit_code, 0);
  const std::string digit = KeyOf(1).substr(0, 1);
  uint32_t other = 4;
  while (KeyOf(other).substr(0, 1) != digit) ++other;
  AddUnit(other);
  const ProgramResult several = OnDirectory({"show", digit});
  EXPECT_EQ(several.exit_code, kInvalid);
  EXPECT_THAT(several.errors,
              AllOf(HasSubstr("keys begin with " + digit + ":"), HasSubstr(KeyOf(1).substr(0, 12)),
                    HasSubstr(KeyOf(other).substr(0, 12))));
}

TEST_F(StoreCommand, LeavesAPackAloneWhenThereIsNothingToExport) {
  const std::string pack = File("desk.pcpk");
  ASSERT_EQ(OnDirectory({"export", pack, "--schema", "desk"}).exit_code, 0);
  const std::string before = ReadFile(pack);
  EXPECT_EQ(OnDirectory({"export", pack, "--schema", "desc"}).exit_code, kMissing);
  EXPECT_EQ(OnDirectory({"export", pack, "--schema", "desc", "--meta"}).exit_code, kMissing);
  for (uint32_t number = 1; number <= 3; ++number) {
    ASSERT_EQ(OnDirectory({"rm", KeyOf(number)}).exit_code, 0);
  }
  EXPECT_EQ(OnDirectory({"export", pack}).exit_code, kMissing);
  EXPECT_TRUE(ReadFile(pack) == before);
}

}  // namespace
}  // namespace promptcache::testing
