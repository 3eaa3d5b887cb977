#include <gtest/gtest.h>

#include <algorithm>

#include "common/text/detokenizer.h"

namespace promptcache::testing {
namespace {

struct Case {
  std::vector<std::string> stops;
  std::string text;
  std::string shown;
  bool stopped;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {{}, "anything", "anything", false},
      {{"STOP"}, "go on STOP now", "go on ", true},
      {{"STOP"}, "go STO", "go STO", false},
      {{"STOP"}, "STOP", "", true},
      {{"STOP"}, "SSTOPS", "S", true},
      {{"aab"}, "aaaab", "aa", true},
      {{"abab"}, "abaabab", "aba", true},
      {{"\n\n"}, "a\nb\n\nc", "a\nb", true},
      {{"yz", "xyz"}, "wxyz", "w", true},   // end together: the longest
      {{"abcd", "bc"}, "abcd", "a", true},  // "bc" is complete first
      {{"abcd", "bc"}, "abcx", "a", true},
      {{"abcd", "cx"}, "abcx", "ab", true},
      {{"b", "b"}, "ab", "a", true},
      {{"\xC3\xA9"}, "na\xC3\xAFve \xC3\xA9t", "na\xC3\xAFve ", true},
      {{"User:", "\n###"}, "ok\n##Use\n#", "ok\n##Use\n#", false},
  };
  return cases;
}

// Pushes text piece by piece, the pieces ending where `cuts` has a bit; flushes at the end.
std::string Shown(const Case& one, uint32_t cuts, bool& stopped) {
  StopMatcher matcher(one.stops);
  std::string shown;
  size_t begin = 0;
  for (size_t end = 1; end <= one.text.size(); ++end) {
    if (end < one.text.size() && (cuts >> (end - 1) & 1) == 0) continue;
    const auto step = matcher.Push(std::string_view(one.text).substr(begin, end - begin));
    shown += step.text;
    if ((stopped = step.stopped)) return shown;
    begin = end;
  }
  return shown + matcher.Flush();
}

TEST(StopMatcher, GivesTheSameHoweverTheTextIsCut) {
  for (const Case& one : Cases()) {
    const uint32_t ways = 1u << (one.text.size() - 1);
    for (uint32_t cuts = 0; cuts < ways; ++cuts) {
      bool stopped = false;
      ASSERT_EQ(Shown(one, cuts, stopped), one.shown) << one.text << " cut as " << cuts;
      ASSERT_EQ(stopped, one.stopped) << one.text << " cut as " << cuts;
    }
  }
}

// After each byte: what is withheld begins a stop string, and no longer tail of the text does.
TEST(StopMatcher, WithholdsNoMoreThanMayBecomeAStopString) {
  for (const Case& one : Cases()) {
    StopMatcher matcher(one.stops);
    size_t shown = 0;
    for (size_t end = 1; end <= one.text.size(); ++end) {
      const auto step = matcher.Push(std::string_view(one.text).substr(end - 1, 1));
      if (step.stopped) break;
      shown += step.text.size();
      const auto begins_a_stop = [&](size_t from) {
        const std::string_view tail = std::string_view(one.text).substr(from, end - from);
        return std::any_of(one.stops.begin(), one.stops.end(),
                           [&](const std::string& stop) { return stop.starts_with(tail); });
      };
      size_t needed = 0;
      while (needed < end && !begins_a_stop(needed)) ++needed;
      EXPECT_EQ(shown, needed) << one.text << " after " << end;
    }
  }
}

TEST(StopMatcher, S103_FlushGivesTheWithheldTailOnce) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.Push("an ST").text, "an ");
  EXPECT_EQ(matcher.Flush(), "ST");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcher, AnEmptyPieceChangesNothing) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.Push("ST").text, "");
  EXPECT_EQ(matcher.Push("").text, "");
  const auto step = matcher.Push("OP!");
  EXPECT_TRUE(step.stopped);
  EXPECT_EQ(step.text, "");
}

}  // namespace
}  // namespace promptcache::testing
