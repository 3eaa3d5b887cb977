// Repair `linked`: which cached tokens a plan computes again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kModules[] =
    "<schema name='s'>r1 r2 r3<module name='A'>a1 a2 a3</module><module name='B'>b1 b2</module>"
    "t1 t2</schema>";

PlanOptions Linked(uint32_t tokens) {
  return {.repair = {Repair::kLinked, tokens}, .max_new_tokens = 1};
}

std::string Planned(const std::string& schema, const std::string& prompt, uint32_t tokens) {
  return ToyCompiler().Run(schema, prompt, Linked(tokens));
}

Plan PlanOf(const std::string& schema, const std::string& prompt, const PlanOptions& options) {
  const ToyCompiler compiler;
  const auto layout = compiler.LayoutOf(schema);
  EXPECT_TRUE(layout.ok()) << layout.status().ToString();
  auto plan = compiler.PlanOf(*layout, "<prompt schema='s'>" + prompt + "</prompt>", options);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return *std::move(plan);
}

TEST(Linked, TheFirstTokensOfEveryRunButTheLowestAreComputed) {
  EXPECT_EQ(Planned(kModules, "<A/><B/>q", 1),
            "length 10; cached r1@0 r2@1 r3@2 a2@4 a3@5 b2@7 t2@9; new a1@3 b1@6 t1@8 q@10; next "
            "11");
  EXPECT_EQ(Planned(kModules, "<A/><B/>q", 2),
            "length 10; cached r1@0 r2@1 r3@2 a3@5; new a1@3 a2@4 b1@6 b2@7 t1@8 t2@9 q@10; next "
            "11");
}

TEST(Linked, UnitsOfWhichNothingIsReadAreNotInThePlan) {
  const Plan plan = PlanOf(kModules, "<A/><B/>q", Linked(2));
  ASSERT_EQ(plan.units.size(), 2U);
  EXPECT_EQ(plan.units[0].path, "s");
  EXPECT_EQ(plan.units[1].path, "s/A");
  EXPECT_EQ(plan.segments[1],
            (PlanSegment{.unit = 1, .first_row = 2, .rows = 1, .first_position = 5, .shift = 3}));
}

TEST(Linked, ThePlanSaysWhatWasComputedAgain) {
  const Plan plan = PlanOf(kModules, "<A/><B/>q", Linked(1));
  EXPECT_EQ(plan.repair, Repair::kLinked);
  EXPECT_EQ(plan.linked_tokens, 1U);
  EXPECT_EQ(plan.repaired_tokens, 3U);
  EXPECT_EQ(plan.cached_tokens(), 7U);
  EXPECT_EQ(plan.new_tokens.size(), 4U);
}

TEST(Repaired, CountsTokensOfUnitsUnderEveryRepair) {
  const auto repaired = [](const PlanOptions& options) {
    return PlanOf(kModules, "<A/><B/>q", options).repaired_tokens;
  };
  EXPECT_EQ(repaired({.max_new_tokens = 1}), 0U);
  EXPECT_EQ(repaired({.repair = {Repair::kFull}, .max_new_tokens = 1}), 10U);
  EXPECT_EQ(repaired({.reuse = ReuseMode::kFullContiguous, .max_new_tokens = 1}), 10U);
  // The answer starts from a cached token.
  EXPECT_EQ(PlanOf(kModules, "<A/><B/>", {.max_new_tokens = 1}).repaired_tokens, 1U);
}

TEST(Linked, NeighbouringRunsOfOneUnitAreOne) {
  EXPECT_EQ(Planned("<schema name='s'>r1<module name='A'></module>r2<module name='B'>b</module>r3 "
                    "r4</schema>",
                    "<A/><B/>q", 1),
            "length 5; cached r1@0 r2@1 r4@4; new b@2 r3@3 q@5; next 6");
}

TEST(Linked, WhatStandsBehindASlotIsARunOfItsOwn) {
  const std::string schema =
      "<schema name='s'><module name='M'>a1 a2<param name='p' length='2'/>b1 b2</module></schema>";
  EXPECT_EQ(Planned(schema, "<M/>q", 1), "length 6; cached a1@0 a2@1 b2@5; new b1@4 q@6; next 7");
  EXPECT_EQ(Planned(schema, "<M p='x'/>q", 1),
            "length 6; cached a1@0 a2@1 b2@5; new x@2 b1@4 q@6; next 7");
}

TEST(Linked, RunsOfASetThatFollowEachOtherAreOne) {
  const std::string schema =
      "<schema name='s'>r<module name='A'>a1 a2</module><module name='B'>b1 b2</module>"
      "<scaffold modules='A B'/></schema>";
  EXPECT_EQ(Planned(schema, "<A/><B/>q", 1),
            "length 5; cached r@0 a2@2 b1@3 b2@4; new a1@1 q@5; next 6");
}

// ---- the lowest run ----

TEST(LinkedLowestRun, StaysWhereverItStands) {
  EXPECT_EQ(Planned("<schema name='s'><module name='A'>a</module><module name='B'>b1 b2</module>"
                    "<module name='C'>c1 c2</module></schema>",
                    "<B/><C/>q", 1),
            "length 5; cached b1@1 b2@2 c2@4; new c1@3 q@5; next 6");
}

TEST(LinkedLowestRun, IsComputedBehindTextThatItHasNotSeen) {
  EXPECT_EQ(
      Planned("<schema name='s'><module name='U' cache='false'>u</module><module name='A'>a1 a2"
              "</module></schema>",
              "<U/><A/>q", 1),
      "length 3; cached a2@2; new u@0 a1@1 q@3; next 4");
  EXPECT_EQ(Planned("<schema name='s'><module name='M'><param name='p' length='1'/>a1 a2</module>"
                    "</schema>",
                    "<M p='x'/>q", 1),
            "length 3; cached a2@2; new x@0 a1@1 q@3; next 4");
}

TEST(LinkedLowestRun, IsComputedWhenItHasSeenTextThatIsNotThere) {
  const std::string modules = "<module name='A'>a</module><module name='B'>b1 b2</module></schema>";
  EXPECT_EQ(Planned("<schema name='s' encoding='schema'>" + modules, "<B/>q", 1),
            "length 3; cached b2@2; new b1@1 q@3; next 4");
  EXPECT_EQ(Planned("<schema name='s'>" + modules, "<B/>q", 1),
            "length 3; cached b1@1 b2@2; new q@3; next 4");
  // A slot's scaffold text is seen while encoding, and by no request.
  const std::string slot =
      "<schema name='s'><module name='M'><param name='p' length='1' scaffold='x'/>a1 a2</module>"
      "</schema>";
  EXPECT_EQ(Planned(slot, "<M/>q", 1), "length 3; cached a2@2; new a1@1 q@3; next 4");
}

// ---- limits ----

TEST(Linked, PromptsThatAreOnlyEncodedComputeNothingAgain) {
  for (const Repair repair : {Repair::kLinked, Repair::kFull}) {
    const Plan plan = PlanOf(kModules, "<A/><B/>q", {.repair = {repair, 1}});
    EXPECT_EQ(plan, PlanOf(kModules, "<A/><B/>q", {}));
    EXPECT_EQ(plan.repaired_tokens, 0U);
  }
}

TEST(Linked, WithoutReuseThereIsNothingToRepair) {
  const Plan plan =
      PlanOf(kModules, "<A/><B/>q",
             {.reuse = ReuseMode::kFull, .repair = {Repair::kLinked, 1}, .max_new_tokens = 1});
  EXPECT_EQ(plan.repair, Repair::kFull);
  EXPECT_EQ(plan.linked_tokens, 0U);
}

// ---- the choice ----

std::string Chosen(std::optional<Repair> wanted, uint32_t linked_tokens,
                   const RepairChoice& fallback) {
  const auto choice = ChooseRepair(wanted, linked_tokens, fallback);
  if (!choice.ok()) return choice.status().message();
  return std::string(RepairName(choice->repair)) + " " + std::to_string(choice->linked_tokens);
}

TEST(RepairChoice, WhatTheRequestDoesNotSayIsTheServers) {
  EXPECT_EQ(Chosen({}, 0, {Repair::kNone, 16}), "none 0");
  EXPECT_EQ(Chosen({}, 0, {Repair::kLinked, 16}), "linked 16");
  EXPECT_EQ(Chosen({}, 0, {Repair::kFull, 16}), "full 0");
  EXPECT_EQ(Chosen(Repair::kNone, 0, {Repair::kLinked, 16}), "none 0");
  EXPECT_EQ(Chosen(Repair::kLinked, 0, {Repair::kNone, 16}), "linked 16");
  EXPECT_EQ(Chosen(Repair::kLinked, 3, {Repair::kNone, 16}), "linked 3");
}

TEST(RepairChoice, WhatCannotBeIsRefused) {
  const RepairChoice fallback{Repair::kLinked, 16};
  EXPECT_THAT(Chosen(Repair::kBlended, 0, fallback), HasSubstr("blended is not supported"));
  EXPECT_THAT(Chosen(Repair::kNone, 3, fallback), HasSubstr("name repair linked"));
  EXPECT_THAT(Chosen({}, 3, fallback), HasSubstr("name repair linked"));
  EXPECT_EQ(Chosen(Repair::kLinked, kMaxLinkedTokens, fallback), "linked 1048576");
  EXPECT_THAT(Chosen(Repair::kLinked, kMaxLinkedTokens + 1, fallback),
              HasSubstr("linked_tokens is 1048577, limit 1048576"));
}

TEST(RepairChoice, TheServersIsASetting) {
  CoordinatorSettings settings = DefaultSettings().coordinator;
  settings.repair = "linked";
  settings.linked_tokens = 5;
  const auto choice = DefaultRepair(settings);
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->repair, Repair::kLinked);
  EXPECT_EQ(choice->linked_tokens, 5U);
  for (const char* name : {"", "blended", "Linked"}) {
    settings.repair = name;
    EXPECT_THAT(DefaultRepair(settings).status().message(), HasSubstr("coordinator.repair"))
        << name;
  }
}

}  // namespace
}  // namespace promptcache::testing
