#include "worker/engine/load_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace promptcache {
namespace {

constexpr uint64_t kTokenBytes = 20'000;

UnitCost Unit(uint64_t tokens) { return {.bytes = tokens * kTokenBytes, .tokens = tokens}; }

// What things cost, so that a choice can be played.
struct World {
  double load_fixed = 0, load_byte = 0;
  double encode_fixed = 0, encode_token = 0;

  double Load(const UnitCost& unit) const {
    return load_fixed + load_byte * static_cast<double>(unit.bytes);
  }
  double Encode(const UnitCost& unit) const {
    return encode_fixed + encode_token * static_cast<double>(unit.tokens);
  }
};

// Lets the choice choose and see what came of it. Seconds spent.
double Play(LoadChoice& choice, const World& world, const UnitCost& unit) {
  if (choice.Choose(unit) == Acquisition::kLoad) {
    choice.Loaded(unit.bytes, world.Load(unit));
    return world.Load(unit);
  }
  choice.Encoded(unit.tokens, world.Encode(unit));
  return world.Encode(unit);
}

void Teach(LoadChoice& choice, const World& world, const UnitCost& unit) {
  choice.Loaded(unit.bytes, world.Load(unit));
  choice.Encoded(unit.tokens, world.Encode(unit));
}

TEST(LinearCost, FindsTheFixedPartAndTheRest) {
  LinearCost cost;
  for (int round = 0; round < 3; ++round) {
    for (const double amount : {16, 256, 4096}) cost.Add(amount, 0.010 + 0.001 * amount);
  }
  EXPECT_NEAR(cost.Of(1), 0.011, 1e-9);
  EXPECT_NEAR(cost.Of(1000), 1.010, 1e-9);
}

TEST(LinearCost, OneSizeAloneIsTakenInProportion) {
  LinearCost cost;
  for (int i = 0; i < 10; ++i) cost.Add(100, 0.2);
  EXPECT_NEAR(cost.Of(50), 0.1, 1e-9);
}

TEST(LinearCost, NeitherPartIsNegative) {
  LinearCost more, less;  // for each of many than for each of few, and the other way round
  for (const double amount : {1, 10, 100}) {
    more.Add(amount, amount * amount);
    less.Add(amount, 1 / amount);
  }
  for (const double amount : {0.1, 1.0, 1e3, 1e6}) {
    EXPECT_GT(more.Of(amount), 0);
    EXPECT_GT(less.Of(amount), 0);
  }
}

TEST(LinearCost, LatestSamplesCountMost) {
  LinearCost cost;
  for (int i = 0; i < 1000; ++i) cost.Add(1, 1);
  for (int i = 0; i < 60; ++i) cost.Add(1, 3);
  EXPECT_GT(cost.Of(1), 2.8);
}

TEST(LinearCost, WhatTookNoTimeTeachesNothing) {
  LinearCost cost;
  cost.Add(0, 1);
  cost.Add(1, 0);
  EXPECT_FALSE(cost.known());
}

TEST(LoadChoice, LoadsWhileACostIsUnknown) {
  LoadChoice choice;
  EXPECT_EQ(choice.Choose(Unit(16)), Acquisition::kLoad);
  choice.Loaded(1000, 10);
  EXPECT_EQ(choice.Choose(Unit(16)), Acquisition::kLoad);
}

TEST(LoadChoice, TakesTheCheaperWayForEachSize) {
  // A store far away: 50 ms to ask and 100 MB a second; encoding starts at once. Even at 59 tokens.
  const World world{
      .load_fixed = 0.050, .load_byte = 1e-8, .encode_fixed = 0.003, .encode_token = 0.001};
  LoadChoice choice;
  for (int round = 0; round < 5; ++round) {
    for (uint64_t tokens = 16; tokens <= 4096; tokens *= 2) Teach(choice, world, Unit(tokens));
  }
  for (uint64_t tokens = 16; tokens <= 4096; tokens *= 2) {
    std::vector<double> spent;
    for (int i = 0; i < 5; ++i) spent.push_back(Play(choice, world, Unit(tokens)));
    std::sort(spent.begin(), spent.end());
    EXPECT_LE(spent[2], 1.1 * std::min(world.Load(Unit(tokens)), world.Encode(Unit(tokens))))
        << tokens;
  }
}

TEST(LoadChoice, TokensOfAContextMakeEncodingDearer) {
  const World world{.load_byte = 1e-7, .encode_token = 0.001};  // 2 ms to load a token's bytes
  LoadChoice choice;
  for (const uint64_t tokens : {16, 256, 4096}) Teach(choice, world, Unit(tokens));
  EXPECT_EQ(choice.Choose({.bytes = 16 * kTokenBytes, .tokens = 16}), Acquisition::kEncode);
  EXPECT_EQ(choice.Choose({.bytes = 16 * kTokenBytes, .tokens = 2016}), Acquisition::kLoad);
}

TEST(LoadChoice, TryingTheOtherWayCostsLittle) {
  for (const double dearer : {1.05, 2.0, 10.0, 1000.0}) {
    for (const bool load_is_dearer : {false, true}) {
      const double load = load_is_dearer ? dearer : 1, encode = load_is_dearer ? 1 : dearer;
      const World world{.load_byte = load / kTokenBytes, .encode_token = encode};
      LoadChoice choice;
      Teach(choice, world, Unit(100));
      double spent = 0;
      constexpr int kUnits = 10'000;
      for (int i = 0; i < kUnits; ++i) spent += Play(choice, world, Unit(100));
      const double best = kUnits * 100.0;
      EXPECT_LE(spent, best * (1 + LoadChoice::kTrialShare + 0.01)) << dearer;
    }
  }
}

TEST(LoadChoice, SaysWhatTheCheaperWayCosts) {
  LoadChoice choice;
  const UnitCost unit{.bytes = 1000, .tokens = 10};
  EXPECT_EQ(choice.SecondsOf(unit), 0);
  EXPECT_EQ(choice.loads().each, 0);
  choice.Loaded(500, 1);
  EXPECT_DOUBLE_EQ(choice.SecondsOf(unit), 2);
  EXPECT_DOUBLE_EQ(choice.loads().each, 0.002);
  choice.Encoded(10, 3);
  EXPECT_DOUBLE_EQ(choice.SecondsOf(unit), 2);
  EXPECT_DOUBLE_EQ(choice.SecondsOf({.bytes = 5000, .tokens = 10}), 3);
}

TEST(LoadChoice, WrongBeliefHeals) {
  const World hiccup{.load_fixed = 5, .load_byte = 1e-9, .encode_token = 0.001};
  const World healthy{.load_fixed = 0.001, .load_byte = 1e-9, .encode_token = 0.001};
  LoadChoice choice;
  Teach(choice, healthy, Unit(100));
  for (int i = 0; i < 5; ++i) choice.Loaded(Unit(100).bytes, hiccup.Load(Unit(100)));
  ASSERT_EQ(choice.Choose(Unit(100)), Acquisition::kEncode);
  for (int i = 0; i < 1000; ++i) (void)Play(choice, healthy, Unit(100));
  double spent = 0;
  for (int i = 0; i < 100; ++i) spent += Play(choice, healthy, Unit(100));
  EXPECT_LE(spent, 1.1 * 100 * healthy.Load(Unit(100)) + healthy.Encode(Unit(100)));
}

}  // namespace
}  // namespace promptcache
