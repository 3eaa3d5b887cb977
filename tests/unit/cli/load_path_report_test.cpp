#include "tools/bench/load_path_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace promptcache {
namespace {

// Medians in milliseconds.
LoadPathSize SizeOf(double load, double encode, double choice, uint32_t loads) {
  return {.tokens = 16,
          .bytes = 1024,
          .load = {{load, load, 9 * load}},
          .encode = {{encode}},
          .choice = {{choice, choice, 10 * choice}},
          .loads = loads};
}

TEST(LoadPathReport, ChoiceIsHeldAgainstTheBetterWay) {
  EXPECT_DOUBLE_EQ(SizeOf(10, 40, 11, 3).ratio(), 1);
  EXPECT_DOUBLE_EQ(SizeOf(40, 10, 11, 1).ratio(), 1);
  EXPECT_DOUBLE_EQ(SizeOf(10, 40, 11, 1).ratio(), 4);
  EXPECT_DOUBLE_EQ(SizeOf(40, 10, 11, 2).ratio(), 4);
  EXPECT_EQ(LoadPathSize().ratio(), 0);
}

TEST(LoadPathReport, WarmStartMayTakeALittleLongerOrTheTimeOfItsBytes) {
  WarmStart start{.warm = {{100}}, .bytes_per_s = {{1e9}}, .bytes = 10'000'000};
  EXPECT_DOUBLE_EQ(start.bar_ms(), 130);  // the bytes take 10 ms
  start.bytes = 100'000'000;
  EXPECT_DOUBLE_EQ(start.bar_ms(), 220);
}

TEST(LoadPathReport, JsonHasEveryNumberUnderItsName) {
  LoadPathReport report{.identity = {.dtype = "bf16"}, .schema = "desk.xml"};
  report.sizes = {SizeOf(10, 40, 11, 3), SizeOf(15, 10, 12, 1), SizeOf(15, 10, 15, 2)};
  report.warm_start = {.warm = {{100}},
                       .disk = {{120}},
                       .bytes_per_s = {{1e9}},
                       .bytes = 1'000'000,
                       .units = 4,
                       .cached_tokens = 50};
  const nlohmann::json json = LoadPathToJson(report);
  EXPECT_EQ(json["dtype"], "bf16");
  EXPECT_DOUBLE_EQ(json["worst_ratio"], 1.5);
  EXPECT_DOUBLE_EQ(json["ratio_bar"], 1.1);
  EXPECT_EQ(json["sizes"][0]["choice"], "load");
  EXPECT_EQ(json["sizes"][1]["choice"], "encode");
  EXPECT_DOUBLE_EQ(json["sizes"][0]["load_ms"], 10);
  EXPECT_DOUBLE_EQ(json["sizes"][0]["load_ms_max"], 90);
  EXPECT_DOUBLE_EQ(json["sizes"][0]["encode_ms"], 40);
  EXPECT_DOUBLE_EQ(json["sizes"][0]["choice_ms"], 11);
  EXPECT_EQ(json["sizes"][0]["tokens"], 16);
  EXPECT_EQ(json["sizes"][0]["bytes"], 1024);
  EXPECT_DOUBLE_EQ(json["warm_start"]["warm_ms"], 100);
  EXPECT_DOUBLE_EQ(json["warm_start"]["disk_ms"], 120);
  EXPECT_DOUBLE_EQ(json["warm_start"]["bar_ms"], 130);
  EXPECT_DOUBLE_EQ(json["warm_start"]["service_bytes_per_s"], 1e9);
  EXPECT_EQ(json["warm_start"]["bytes"], 1'000'000);
}

TEST(LoadPathReport, TextSaysWhetherTheBarsHeld) {
  LoadPathReport report{.sizes = {SizeOf(10, 40, 11, 3)}};
  report.warm_start = {.warm = {{100}}, .disk = {{120}}};
  EXPECT_EQ(RenderLoadPath(report).find("MISSED"), std::string::npos) << RenderLoadPath(report);
  report.warm_start.disk = {{140}};
  EXPECT_NE(RenderLoadPath(report).find("MISSED"), std::string::npos);
  report.warm_start.disk = {{120}};
  report.sizes[0].loads = 0;
  EXPECT_NE(RenderLoadPath(report).find("MISSED"), std::string::npos);
}

}  // namespace
}  // namespace promptcache
