#include "tools/chaos/checker.h"

#include <gmock/gmock.h>

namespace promptcache::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Checker : public ::testing::Test {
 protected:
  // A request that was given all of its answer.
  static RequestRecord Good() {
    RequestRecord record{.submitted = milliseconds(100), .deadline = milliseconds(1'000)};
    record.parts = {{.at = milliseconds(200), .seq = 0, .tokens = {1, 2}},
                    {.at = milliseconds(500), .seq = 1, .tokens = {3}}};
    record.ends = {{.at = milliseconds(500), .samples = {{1, 2, 3}}}};
    return record;
  }
  static std::vector<std::string> Faults(const RequestRecord& record) {
    std::vector<std::string> faults;
    for (const Violation& violation : CheckHistory({record}, {{{1, 2, 3}}})) {
      faults.push_back(violation.what);
    }
    return faults;
  }
};

TEST_F(Checker, AWholeAnswerIsFine) { EXPECT_THAT(Faults(Good()), IsEmpty()); }

TEST_F(Checker, ABeginningIsFineWhenTroubleExplainsTheEnd) {
  RequestRecord record = Good();
  record.parts.pop_back();
  record.ends[0].code = Code::kUnavailable;
  record.ends[0].samples = {{1, 2}};
  EXPECT_THAT(Faults(record), IsEmpty());
  record.ends[0].code = Code::kOk;
  EXPECT_THAT(Faults(record), ElementsAre("OK, but not the whole answer"));
}

TEST_F(Checker, EveryRequestEndsOnce) {
  RequestRecord record = Good();
  record.ends.push_back(record.ends[0]);
  EXPECT_THAT(Faults(record), ElementsAre("ended 2 times"));
  record.ends.clear();
  EXPECT_THAT(Faults(record), ElementsAre("never ended"));
}

TEST_F(Checker, ASecondAfterTheDeadlineIsTooLate) {
  RequestRecord record = Good();
  record.ends[0].at = milliseconds(2'100);
  EXPECT_THAT(Faults(record), IsEmpty());
  record.ends[0].at = milliseconds(2'101);
  EXPECT_THAT(Faults(record), ElementsAre("ended 1 ms too late"));
}

TEST_F(Checker, GapsAndRepetitionsAreSeen) {
  RequestRecord record = Good();
  record.parts[1].seq = 2;
  EXPECT_THAT(Faults(record), ElementsAre("part 2 came where 1 was due"));
  record.parts[1].seq = 0;
  EXPECT_THAT(Faults(record), ElementsAre("part 0 came where 1 was due"));
}

TEST_F(Checker, TheAnswerIsWhatWasShown) {
  RequestRecord record = Good();
  record.ends[0].code = Code::kBusy;
  record.ends[0].samples = {{1, 2}};
  EXPECT_THAT(Faults(record), ElementsAre("the answer is not what was shown"));
}

TEST_F(Checker, OtherTokensThanInAQuietRunAreWrongAlsoWhereARequestFailed) {
  RequestRecord record = Good();
  record.parts[1].tokens = {4};
  record.ends[0] = {.at = milliseconds(500), .code = Code::kUnavailable, .samples = {{1, 2, 4}}};
  EXPECT_THAT(Faults(record), ElementsAre("wrong tokens"));
}

TEST_F(Checker, NothingFollowsTheEnd) {
  RequestRecord record = Good();
  record.parts[1].at = milliseconds(501);
  EXPECT_THAT(Faults(record), ElementsAre("a part came after the end"));
}

TEST_F(Checker, WhatNoTroubleExplainsIsAFault) {
  RequestRecord record = Good();
  for (const Code code : {Code::kInternal, Code::kNotFound, Code::kDataLoss, Code::kCancelled}) {
    record.ends[0].code = code;
    EXPECT_THAT(Faults(record), ElementsAre(HasSubstr("which no trouble explains")));
  }
  record.cancelled = true;
  EXPECT_THAT(Faults(record), IsEmpty());
}

TEST_F(Checker, TheLongestGapIsTheLongestWaitForAPart) {
  EXPECT_EQ(LongestGap(Good()), milliseconds(300));
}

}  // namespace
}  // namespace promptcache::chaos
