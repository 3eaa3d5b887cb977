#include <gmock/gmock.h>

#include "tools/chaos/report.h"

namespace promptcache::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Floors : public ::testing::Test {
 protected:
  static ChaosReport Good() {
    return {.time = std::chrono::seconds(15),
            .pause = milliseconds(300),
            .permitted = {FaultKind::kKill, FaultKind::kCut},
            .injected = {{FaultKind::kKill, 1}, {FaultKind::kCut, 1}},
            .troubled = 100,
            .troubled_ok = 51,
            .resumed = 1};
  }
  static std::vector<std::string> Faults(const ChaosReport& report) {
    std::vector<std::string> faults;
    for (const Violation& violation : CheckFloors(report)) faults.push_back(violation.what);
    return faults;
  }
};

TEST_F(Floors, ARunThatServesHalfIsFine) { EXPECT_THAT(Faults(Good()), IsEmpty()); }

TEST_F(Floors, AClusterThatServesFewIsNot) {
  ChaosReport report = Good();
  report.troubled_ok = 50;
  EXPECT_THAT(Faults(report),
              ElementsAre("only 50 of 100 requests ended well in the time of trouble"));
  report.pause = milliseconds(100);
  EXPECT_THAT(Faults(report), IsEmpty()) << "three times as many faults";
}

TEST_F(Floors, EveryPermittedKindIsInjectedWhereThereWasTime) {
  ChaosReport report = Good();
  report.injected.erase(FaultKind::kCut);
  EXPECT_THAT(Faults(report), ElementsAre("no cut was injected"));
  report.permitted.erase(FaultKind::kCut);
  EXPECT_THAT(Faults(report), IsEmpty());
  report = Good();
  report.injected.clear();
  report.time = std::chrono::seconds(5);
  EXPECT_THAT(Faults(report), IsEmpty());
}

TEST_F(Floors, SomeRequestGoesOnElsewhere) {
  ChaosReport report = Good();
  report.resumed = 0;
  EXPECT_THAT(Faults(report), ElementsAre("no request went on elsewhere"));
}

TEST_F(Floors, CancelledRequestsAreNotCounted) {
  RequestRecord served;
  served.ends = {{.code = Code::kOk}};
  RequestRecord failed;
  failed.ends = {{.code = Code::kUnavailable}};
  RequestRecord cancelled = failed;
  cancelled.cancelled = true;
  ChaosReport report;
  const std::vector<RequestRecord> records = {served, failed, cancelled};
  CountTroubled(records, report);
  EXPECT_EQ(report.troubled, 2u);
  EXPECT_EQ(report.troubled_ok, 1u);
}

}  // namespace
}  // namespace promptcache::chaos
