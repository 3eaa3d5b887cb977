#include "tools/cli/render.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tools/cli/exit_codes.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

TEST(Table, PadsByCharactersNotBytes) {
  Table table({{"name"}, {"n", Align::kRight}});
  table.AddRow({"é", "1"});
  table.AddRow({"abcdef", "10"});
  EXPECT_EQ(table.Render(), "name     n\n----------\né        1\nabcdef  10\n");
}

TEST(Table, LeavesNoBlanksAtLineEnds) {
  Table table({{"a"}, {"b"}});
  table.AddRow({"x", ""});
  EXPECT_EQ(table.Render(), "a  b\n----\nx\n");
}

TEST(FormatBytes, SwitchesUnitAt1024) {
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(5ULL << 30), "5.0 GiB");
}

TEST(FormatMs, KeepsThreeDigits) {
  EXPECT_EQ(FormatMs(0.424), "0.42 ms");
  EXPECT_EQ(FormatMs(93.2), "93 ms");
  EXPECT_EQ(FormatMs(1720), "1.72 s");
}

TEST(FormatRate, WhatWasNotMeasuredIsNoRate) {
  EXPECT_EQ(FormatRate(0), "-");
  EXPECT_EQ(FormatRate(1464.6), "1465");
}

TEST(ExitCodes, EveryCodeHasItsOwn) {
  std::set<int> seen = {kExitOk, kExitCheckFailed, kExitUsage};
  for (int code = 1; code <= static_cast<int>(Code::kInternal); ++code) {
    EXPECT_TRUE(seen.insert(ExitCodeFor(Status(static_cast<Code>(code), "x"))).second)
        << CodeName(static_cast<Code>(code));
  }
}

Usage UsageOfTwoUnits() {
  Usage usage;
  usage.worker = "worker-1";
  usage.cached_tokens = 30;
  usage.reused_tokens = 20;
  usage.units.resize(2);
  usage.units[0] = {.path = "s/a", .source = Source::kDevice, .miss_reason = "", .tokens = 20};
  usage.units[1] = {
      .path = "s/b", .source = Source::kEncoded, .miss_reason = "not stored", .tokens = 10};
  return usage;
}

TEST(UsageJson, SplitsCachedTokensIntoReadAndCreated) {
  const nlohmann::json json = UsageToJson(UsageOfTwoUnits());
  EXPECT_EQ(json["cached_tokens"], 30);
  EXPECT_EQ(json["cache_read_input_tokens"], 20);
  EXPECT_EQ(json["cache_creation_input_tokens"], 10);
  EXPECT_EQ(json["units"][1]["source"], "encoded");
  EXPECT_EQ(json["units"][1]["miss_reason"], "not stored");
}

TEST(UsageTable, NamesEachUnitItsSourceAndTheReasonOfAMiss) {
  const std::string text = RenderUsage(UsageOfTwoUnits());
  EXPECT_NE(text.find("s/b   encoded      10"), std::string::npos) << text;
  EXPECT_NE(text.find("not stored"), std::string::npos) << text;
  EXPECT_NE(text.find("there after"), std::string::npos) << text;
  EXPECT_EQ(SummarizeSources(UsageOfTwoUnits()), "device 1, encoded 1");
}

TEST(Usage, SaysWhatARepairComputedAgain) {
  Usage usage = UsageOfTwoUnits();
  usage.repair = Repair::kLinked;
  usage.linked_tokens = 16;
  usage.recomputed_tokens = 32;
  const nlohmann::json json = UsageToJson(usage);
  EXPECT_EQ(json["repair"], "linked");
  EXPECT_EQ(json["linked_tokens"], 16);
  EXPECT_EQ(json["recomputed_tokens"], 32);
  EXPECT_NE(RenderUsage(usage).find(
                "repair linked (the first 16 of every run): 32 tokens of units computed again"),
            std::string::npos)
      << RenderUsage(usage);
}

TEST(Usage, SaysThatNothingWasReused) {
  Usage usage;
  usage.repair = Repair::kFull;
  const std::string text = RenderUsage(usage);
  EXPECT_NE(text.find("nothing was reused: every token was computed"), std::string::npos) << text;
  EXPECT_EQ(text.find("repair"), std::string::npos) << text;
}

TEST(Schemas, HaveAsManyPositionsAsTheirLayoutIsLong) {
  const std::vector<SchemaInfo> schemas = {{.name = "desk", .tokens = 1842, .units = 9}};
  EXPECT_EQ(SchemasToJson(schemas)[0]["positions"], 1842);
  EXPECT_FALSE(SchemasToJson(schemas)[0].contains("tokens"));
  EXPECT_NE(RenderSchemas(schemas).find("positions"), std::string::npos);
}

TEST(Schemas, NameTheirTenantAndWhetherTheyAreShared) {
  const std::vector<SchemaInfo> schemas = {{.name = "desk", .tenant = "acme", .shared = true}};
  EXPECT_EQ(SchemasToJson(schemas)[0]["tenant"], "acme");
  EXPECT_EQ(SchemasToJson(schemas)[0]["shared"], true);
  EXPECT_NE(RenderSchemas(schemas).find("acme"), std::string::npos);
}

TEST(PlanJson, HasOneEntryPerSegmentAndPositionsOfNewTokens) {
  Plan plan;
  plan.units.push_back({.path = "s", .tokens = 4});
  plan.segments.push_back({.unit = 0, .first_row = 1, .rows = 3, .first_position = 5, .shift = 4});
  plan.new_tokens.Append(7, 9);
  plan.next_position = 10;
  const nlohmann::json json = PlanToJson(plan);
  EXPECT_EQ(json["segments"][0]["position"], 5);
  EXPECT_EQ(json["new_tokens"]["positions"][0], 9);
  EXPECT_EQ(json["cached_tokens"], 3);
}

}  // namespace
}  // namespace promptcache
