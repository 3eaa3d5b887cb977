#include "common/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string ErrorOf(std::string_view toml) {
  const Result<Settings> settings = ParseSettings(toml, "a.toml");
  return settings.ok() ? "" : settings.status().message();
}

TEST(Config, ReferenceParsesBackToTheDefaults) {
  const std::string reference = RenderSettingsReference();
  ASSERT_TRUE(ParseSettings(reference, "reference").ok());
  for (const SettingDescription& setting : DescribeSettings()) {
    EXPECT_FALSE(setting.meaning.empty()) << setting.key;
  }
  EXPECT_EQ(ParseSettings(reference, "reference")->worker.slots, DefaultSettings().worker.slots);
  EXPECT_EQ(ParseSettings(reference, "reference")->store.meta, DefaultSettings().store.meta);
}

TEST(Config, OverlaysTheDefaults) {
  const auto settings = ParseSettings("[worker]\nslots = 3\ndevice = \"cuda:0\"\n", "a.toml");
  ASSERT_TRUE(settings.ok()) << settings.status().ToString();
  EXPECT_EQ(settings->worker.slots, 3);
  EXPECT_EQ(settings->worker.device, "cuda:0");
  EXPECT_EQ(settings->worker.dtype, "auto");
}

TEST(Config, NamesFileLineKeyAndValueOutsideItsLimits) {
  EXPECT_EQ(ErrorOf("[worker]\n\nslots = 0\n"),
            "a.toml:3: worker.slots = 0 is not in 1..1024 requests");
}

TEST(Config, NamesWrongTypes) {
  EXPECT_EQ(ErrorOf("[worker]\nslots = \"many\"\n"),
            "a.toml:2: worker.slots = \"many\" is not an integer");
  EXPECT_EQ(ErrorOf("[store]\nmeta = 1\n"), "a.toml:2: store.meta = 1 is not true or false");
  EXPECT_EQ(ErrorOf("[store]\nendpoint = 1.5\n"), "a.toml:2: store.endpoint = 1.5 is not a string");
}

TEST(Config, ReadsListsOfStrings) {
  EXPECT_THAT(DefaultSettings().worker.coordinator_endpoints, ElementsAre("tcp://127.0.0.1:7421"));
  const auto settings = ParseSettings(
      "[worker]\ncoordinator_endpoints = [\"ipc://a\", \"ipc://b\"]\n[coordinator]\nwarm = []\n",
      "a.toml");
  ASSERT_TRUE(settings.ok()) << settings.status().ToString();
  EXPECT_THAT(settings->worker.coordinator_endpoints, ElementsAre("ipc://a", "ipc://b"));
  EXPECT_THAT(settings->coordinator.warm, IsEmpty());
  EXPECT_EQ(ErrorOf("[coordinator]\nwarm = \"a\"\n"),
            "a.toml:2: coordinator.warm = \"a\" is not a list of strings");
  EXPECT_EQ(ErrorOf("[coordinator]\nwarm = [\"a\",\n2]\n"),
            "a.toml:2: coordinator.warm: 2 is not a string");
}

TEST(Config, SuggestsTheNearestKey) {
  EXPECT_EQ(ErrorOf("[worker]\nslot = 2\n"),
            "a.toml:2: unknown setting worker.slot; did you mean worker.slots?");
  EXPECT_EQ(ErrorOf("[worker]\nzzzzzzzzzzzzzzzz = 2\n"),
            "a.toml:2: unknown setting worker.zzzzzzzzzzzzzzzz");
}

TEST(Config, RejectsUnknownTablesAndBrokenToml) {
  EXPECT_NE(ErrorOf("[wroker]\nslots = 2\n").find("'wroker' is not one of"), std::string::npos);
  EXPECT_NE(ErrorOf("[worker\n").find("a.toml:1: not valid TOML"), std::string::npos);
}

TEST(Config, MissingFileIsNamed) {
  const auto settings = LoadSettings("/nonexistent/x.toml");
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.status().code(), Code::kNotFound);
  EXPECT_NE(settings.status().message().find("/nonexistent/x.toml"), std::string::npos);
}

}  // namespace
}  // namespace promptcache
