// `promptcache store` on a directory and through the cachestore that serves it.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/integration/store_fixture.h"

namespace promptcache::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

TEST_F(StoreCommand, LooksTheSameThroughTheDaemon) {
  const std::vector<std::vector<std::string>> looks = {
      {"ls", "--json"},
      {"ls", "--schema", "desk", "--sort", "size", "--json"},
      {"ls", "--tenant", "acme", "--json"},
      {"show", KeyOf(1).substr(0, 8), "--verify", "--norms"},
      {"show", "desk/returns", "--json"},
      {"fsck"},
      {"fsck", "--json"},
      {"rm", "--schema", "desk", "--dry-run"},
      {"rm", KeyOf(3), "--dry-run", "--json"},
  };
  std::vector<ProgramResult> directory;
  for (const auto& words : looks) directory.push_back(OnDirectory(words));
  StartDaemon();
  for (size_t i = 0; i < looks.size(); ++i) {
    const ProgramResult daemon = OnDaemon(looks[i]);
    EXPECT_EQ(daemon.exit_code, 0) << looks[i][0] << ": " << daemon.errors;
    EXPECT_EQ(daemon.output, directory[i].output) << looks[i][0];
    EXPECT_FALSE(daemon.output.empty()) << looks[i][0];
  }
}

TEST_F(StoreCommand, CountsTheSameThroughTheDaemon) {
  const json directory = JsonOnDirectory({"stat"});
  StartDaemon();
  const json daemon = json::parse(OnDaemon({"stat", "--json"}).output);
  for (const char* name : {"blobs", "bytes", "quota_bytes", "pinned_bytes", "pin_quota_bytes",
                           "read_only", "schemas", "models", "corruptions"}) {
    EXPECT_EQ(daemon[name], directory[name]) << name;
  }
  const json top = json::parse(OnDaemon({"top", "--once", "--interval", "0.05", "--json"}).output);
  EXPECT_EQ(top["most_used"].size(), 3U);
  EXPECT_EQ(top["puts_per_second"], 0.0);
}

TEST_F(StoreCommand, ShowsTheTextOfTheRegisteredSchema) {
  const ProgramResult shown = OnDirectory({"show", "desk/refunds"});
  EXPECT_THAT(shown.output, HasSubstr("Within fourteen days."));
  EXPECT_THAT(shown.output, HasSubstr("desk/refunds@0123456789abcdef"));
}

TEST_F(StoreCommand, ListsOnlyWhatIsAskedFor) {
  const auto count = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "ls");
    return JsonOnDirectory(words)["totals"]["blobs"].get<int>();
  };
  EXPECT_EQ(count({}), 3);
  EXPECT_EQ(count({"--module", "desk"}), 2);
  EXPECT_EQ(count({"--module", "desk/refunds"}), 1);
  EXPECT_EQ(count({"--model", "11aa"}), 3);
  EXPECT_EQ(count({"--model", "ff"}), 0);
  EXPECT_EQ(count({"--pinned"}), 0);
  EXPECT_EQ(JsonOnDirectory({"pin", "--module", "desk/refunds"})["blobs"], 1);
  EXPECT_EQ(count({"--pinned"}), 1);
  EXPECT_EQ(JsonOnDirectory({"unpin", "--schema", "desk"})["blobs"], 1);
  EXPECT_EQ(count({"--pinned"}), 0);
}

TEST_F(StoreCommand, NamesDamageAndDropsItWhenAsked) {
  EXPECT_EQ(JsonOnDirectory({"verify"})["damaged"], json::array());
  DamageBlob(2);
  const ProgramResult found = OnDirectory({"verify"});
  EXPECT_EQ(found.exit_code, 12);
  EXPECT_THAT(found.output, HasSubstr("DAMAGED " + KeyOf(2)));
  EXPECT_THAT(found.output, HasSubstr("unit of travel/ghent@0123456789abcdef of acme"));
  EXPECT_EQ(OnDirectory({"verify", "--module", "desk/refunds"}).exit_code, 0);
  StartDaemon();
  EXPECT_THAT(OnDaemon({"verify"}).output, HasSubstr("DAMAGED " + KeyOf(2)));
  const ProgramResult repaired = OnDaemon({"verify", "--repair"});
  EXPECT_EQ(repaired.exit_code, 1);
  EXPECT_THAT(repaired.output, HasSubstr("dropped " + KeyOf(2)));
  EXPECT_EQ(OnDaemon({"verify"}).exit_code, 0);
}

TEST_F(StoreCommand, RepairsAFileThatIsGone) {
  std::uintmax_t largest = 0;
  fs::path file;
  for (const auto& entry : fs::directory_iterator(Directory())) {
    if (entry.path().extension() != ".sst" || entry.file_size() <= largest) continue;
    largest = entry.file_size();
    file = entry.path();
  }
  fs::resize_file(file, largest / 2);
  const ProgramResult found = OnDirectory({"fsck", "--json"});
  EXPECT_EQ(found.exit_code, 12);
  const json findings = json::parse(found.output)["findings"];
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0]["kind"], "chunks missing");
  EXPECT_EQ(OnDirectory({"verify"}).exit_code, 12);
  const ProgramResult repaired = OnDirectory({"fsck", "--repair"});
  EXPECT_EQ(repaired.exit_code, 1) << repaired.output << repaired.errors;
  EXPECT_THAT(repaired.output, HasSubstr("(repaired)"));
  EXPECT_EQ(OnDirectory({"fsck"}).exit_code, 0);
  EXPECT_EQ(JsonOnDirectory({"ls"})["totals"]["blobs"], 2);
}

TEST_F(StoreCommand, RemovesReferencesAndProvesIt) {
  const json planned = JsonOnDirectory({"rm", "--schema", "desk", "--dry-run"});
  StartDaemon();
  const ProgramResult removed = OnDaemon(
      {"--connect", "ipc://" + File("nobody"), "rm", "--schema", "desk", "--prove", "--json"});
  ASSERT_EQ(removed.exit_code, 0) << removed.errors;
  const json receipt = json::parse(removed.output);
  EXPECT_EQ(receipt["removed"], planned["removed"]);
  EXPECT_EQ(receipt["shared"], planned["shared"]);
  EXPECT_EQ(receipt["references"], 2);
  EXPECT_EQ(receipt["shared"][0]["references"][0]["module"], "travel/ghent");
  EXPECT_EQ(receipt["still_on_disk"], json::array());
  EXPECT_EQ(receipt["memory"]["scope"], "disk only");
  StopDaemon();
  EXPECT_EQ(JsonOnDirectory({"ls"})["totals"]["blobs"], 2);
  EXPECT_EQ(OnDirectory({"rm"}).exit_code, 3);
}

TEST_F(StoreCommand, CarriesUnitsToAnotherStore) {
  const std::string pack = File("desk.pcpk");
  const std::string other = File("other");
  ASSERT_EQ(Store({"keygen", File("key")}).exit_code, 0);
  EXPECT_EQ(Store({"keygen", File("key")}).exit_code, 5);
  EXPECT_EQ(JsonOnDirectory({"export", pack, "--schema", "desk", "--sign", File("key")})["blobs"],
            2);
  EXPECT_EQ(Store({"import", pack, "--directory", other}).exit_code, 6);
  const ProgramResult imported =
      Store({"import", pack, "--trust", File("key.pub"), "--directory", other, "--json"});
  ASSERT_EQ(imported.exit_code, 0) << imported.errors;
  EXPECT_EQ(json::parse(imported.output)["imported"], 2);
  EXPECT_EQ(Store({"diff", other, pack}).exit_code, 0);
  const ProgramResult differ = Store({"diff", other, Directory(), "--json"});
  EXPECT_EQ(differ.exit_code, 1);
  EXPECT_EQ(json::parse(differ.output)["only_right"], json::array({KeyOf(3)}));
  StartDaemon();
  EXPECT_EQ(json::parse(OnDaemon({"import", pack, "--allow-unsigned", "--json"}).output)["present"],
            2);
}

TEST_F(StoreCommand, ImportsNothingWhereAProbeCannotBeAsked) {
  const std::string pack = File("desk.pcpk");
  ASSERT_EQ(OnDirectory({"export", pack}).exit_code, 0);
  const std::string other = File("other");
  const ProgramResult none =
      Store({"import", pack, "--allow-unsigned", "--probe", "--directory", other});
  EXPECT_EQ(none.exit_code, 4);
  EXPECT_THAT(none.errors, HasSubstr("has no probe"));
  EXPECT_FALSE(fs::exists(other));
}

TEST_F(StoreCommand, BacksUpRecordsAndPinsAlone) {
  ASSERT_EQ(OnDirectory({"pin", KeyOf(1)}).exit_code, 0);
  const std::string backup = File("backup.pcpk");
  const json exported = JsonOnDirectory({"export", backup, "--meta"});
  EXPECT_EQ(exported["blobs"], 0);
  EXPECT_EQ(exported["records"], 1);
  EXPECT_EQ(exported["pins"], 1);
  ASSERT_EQ(OnDirectory({"unpin", KeyOf(1)}).exit_code, 0);
  const json restored = JsonOnDirectory({"import", backup, "--allow-unsigned"});
  EXPECT_EQ(restored["records_present"], 1);
  EXPECT_EQ(restored["pinned"], 1);
  EXPECT_EQ(JsonOnDirectory({"ls", "--pinned"})["blobs"][0]["key"], KeyOf(1));
}

TEST_F(StoreCommand, CollectsGarbage) {
  const json directory = JsonOnDirectory({"gc"});
  EXPECT_EQ(directory["freed_bytes"], 0);
  StartDaemon();
  EXPECT_EQ(json::parse(OnDaemon({"gc", "--json"}).output), directory);
  EXPECT_EQ(OnDirectory({"gc"}).exit_code, 6);
}

TEST_F(StoreCommand, SaysWhatIsWrongAndWhere) {
  const ProgramResult missing = Store({"ls", "--directory", File("nothing")});
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_THAT(missing.errors, HasSubstr("there is no store in " + File("nothing")));
  EXPECT_EQ(OnDirectory({"show", "ffff"}).exit_code, 4);
  EXPECT_EQ(OnDirectory({"show", "desk/nothing"}).exit_code, 4);
  EXPECT_EQ(Store({"ls", "--endpoint", "ipc://" + File("nobody")}).exit_code, 7);
  EXPECT_EQ(OnDirectory({"ls", "--sort", "colour"}).exit_code, 2);
}

TEST(StoreCommands, HaveHelpWithExamples) {
  for (const char* command : {"ls", "show", "stat", "verify", "fsck", "gc", "pin", "unpin", "rm",
                              "export", "import", "diff", "top", "keygen"}) {
    const ProgramResult help = RunProgram("promptcache", {"store", command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_THAT(help.output, HasSubstr("Example")) << command;
    EXPECT_THAT(help.output, HasSubstr("promptcache store ")) << command;
  }
}

}  // namespace
}  // namespace promptcache::testing
