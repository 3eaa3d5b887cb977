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
    record.parts = {{.at = milliseconds(200), .seq = 0, .tokens = {1, 2}, .text = "ab"},
                    {.at = milliseconds(500), .seq = 1, .tokens = {3}, .text = "c"}};
    record.ends = {{.at = milliseconds(500), .samples = {{{1, 2, 3}, "abc"}}}};
    return record;
  }
  // The first part of it.
  static RequestRecord Begun(Code code) {
    RequestRecord record = Good();
    record.parts.pop_back();
    record.ends[0].code = code;
    record.ends[0].samples = {{{1, 2}, "ab"}};
    return record;
  }
  static std::vector<std::string> Faults(const RequestRecord& record) {
    std::vector<std::string> faults;
    for (const Violation& violation : CheckHistory({record}, {{{{1, 2, 3}, "abc"}}})) {
      faults.push_back(violation.what);
    }
    return faults;
  }
};

TEST_F(Checker, AWholeAnswerIsFine) { EXPECT_THAT(Faults(Good()), IsEmpty()); }

TEST_F(Checker, ABeginningIsFineWhenTroubleExplainsTheEnd) {
  EXPECT_THAT(Faults(Begun(Code::kUnavailable)), IsEmpty());
  EXPECT_THAT(Faults(Begun(Code::kOk)), ElementsAre("OK, but not the whole answer"));
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
  record.ends[0].samples = {{{1, 2}, "ab"}};
  EXPECT_THAT(Faults(record), ElementsAre("the answer is not what was shown"));
  record.ends[0].samples = {{{1, 2, 3}, "ab"}};
  EXPECT_THAT(Faults(record), ElementsAre("the answer is not what was shown"));
}

TEST_F(Checker, TextThatIsDoubledOrLostIsSeen) {
  RequestRecord record = Good();
  record.parts[1].text = "bc";
  record.ends[0].samples[0].text = "abbc";
  EXPECT_THAT(Faults(record), ElementsAre("wrong text", "OK, but not the whole answer"));
  record.parts[1].text = "";
  record.ends[0].samples[0].text = "ab";
  EXPECT_THAT(Faults(record), ElementsAre("OK, but not the whole answer"));
}

TEST_F(Checker, TheDeadlineIsNoReasonBeforeItIsOver) {
  RequestRecord record = Begun(Code::kDeadlineExceeded);
  record.ends[0].at = milliseconds(1'000);
  EXPECT_THAT(Faults(record), ElementsAre(HasSubstr("which no trouble explains")));
  record.ends[0].at = milliseconds(1'100);
  EXPECT_THAT(Faults(record), IsEmpty());
}

TEST_F(Checker, OtherTokensThanInAQuietRunAreWrongAlsoWhereARequestFailed) {
  RequestRecord record = Good();
  record.parts[1].tokens = {4};
  record.ends[0] = {
      .at = milliseconds(500), .code = Code::kUnavailable, .samples = {{{1, 2, 4}, "abc"}}};
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
