#include "tools/chaos/faults.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace promptcache::chaos {
namespace {

const FaultPlanOptions kMinute = {
    .seed = 7, .time = milliseconds(60'000), .lease = milliseconds(1'000)};
const std::vector<FaultGroup> kGroups = {{FaultKind::kKill, {"worker-1", "worker-2"}},
                                         {FaultKind::kStop, {"worker-1", "worker-2"}},
                                         {FaultKind::kSlow, {"a>b", "a>c", "b>c"}}};

TEST(FaultPlan, FollowsFromTheSeed) {
  const auto key = [](uint64_t seed) {
    FaultPlanOptions options = kMinute;
    options.seed = seed;
    std::string text;
    for (const Fault& fault : PlanFaults(options, kGroups)) {
      text += fault.target + FaultName(fault.kind) + std::to_string(fault.at.count()) + " ";
    }
    return text;
  };
  EXPECT_EQ(key(1), key(1));
  EXPECT_NE(key(1), key(2));
}

TEST(FaultPlan, HasEveryKindAndTarget) {
  std::set<FaultKind> kinds;
  std::set<std::string> targets;
  for (const Fault& fault : PlanFaults(kMinute, kGroups)) {
    kinds.insert(fault.kind);
    targets.insert(fault.target);
  }
  EXPECT_EQ(kinds.size(), 3u);
  EXPECT_EQ(targets.size(), 5u);
}

TEST(FaultPlan, HasEveryKindInAShortTimeToo) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::set<FaultKind> kinds;
    for (const Fault& fault : PlanFaults(
             {.seed = seed, .time = milliseconds(5'000), .lease = milliseconds(10)}, kGroups)) {
      kinds.insert(fault.kind);
    }
    EXPECT_EQ(kinds.size(), 3u);
  }
}

TEST(FaultPlan, ATargetHasOneFaultAtATimeAndNoneBeginsAfterTheTime) {
  std::map<std::string, milliseconds> until;
  for (const Fault& fault : PlanFaults(kMinute, kGroups)) {
    EXPECT_LE(until[fault.target], fault.at);
    until[fault.target] = fault.at + fault.length;
    EXPECT_LT(fault.at, kMinute.time);
  }
}

TEST(FaultPlan, ProcessesAreStoppedForLessAndForMoreThanALease) {
  bool shorter = false;
  bool longer = false;
  for (const Fault& fault : PlanFaults(kMinute, kGroups)) {
    if (fault.kind != FaultKind::kStop) continue;
    shorter |= fault.length < kMinute.lease;
    longer |= fault.length > kMinute.lease;
  }
  EXPECT_TRUE(shorter);
  EXPECT_TRUE(longer);
}

TEST(FaultPlan, IsEmptyWhereNothingIsPermitted) { EXPECT_TRUE(PlanFaults(kMinute, {}).empty()); }

}  // namespace
}  // namespace promptcache::chaos
