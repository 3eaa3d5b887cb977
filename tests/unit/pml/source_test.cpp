// Lines and columns of any offset.
#include "coordinator/pml/source.h"

#include <gtest/gtest.h>

namespace promptcache {
namespace {

TEST(Source, LinesEndWithEveryKindOfLineBreak) {
  const PmlSource source("s", "a\nb\r\nc\rd\n\n");
  EXPECT_EQ(source.At(0), (Location{1, 1}));
  EXPECT_EQ(source.At(2), (Location{2, 1}));
  EXPECT_EQ(source.At(4), (Location{2, 3}));  // the LF of CR LF
  EXPECT_EQ(source.At(5), (Location{3, 1}));
  EXPECT_EQ(source.At(7), (Location{4, 1}));
  EXPECT_EQ(source.At(9), (Location{5, 1}));
  EXPECT_EQ(source.At(10), (Location{6, 1}));
  EXPECT_EQ(source.At(99), (Location{6, 1}));
  EXPECT_EQ(source.Line(2), "b");
  EXPECT_EQ(source.Line(4), "d");
  EXPECT_EQ(source.Line(6), "");
  EXPECT_EQ(source.Line(7), "");
}

TEST(Source, ColumnsCountCharactersAndNoByteOrderMark) {
  const PmlSource source("s", "\xEF\xBB\xBF\xC3\xA9x");
  EXPECT_EQ(source.begin(), 3U);
  EXPECT_EQ(source.At(0), (Location{1, 1}));
  EXPECT_EQ(source.At(5), (Location{1, 2}));
}

TEST(Source, EveryLineOfALongDocumentIsFound) {
  std::string text;
  for (int line = 1; line <= 1000; ++line) text += "line " + std::to_string(line) + "\n";
  const PmlSource source("s", text);
  for (uint32_t line = 1; line <= 1000; ++line) {
    const std::string wanted = "line " + std::to_string(line);
    EXPECT_EQ(source.Line(line), wanted);
    const size_t at = text.find(wanted + "\n");
    EXPECT_EQ(source.At(at), (Location{line, 1}));
    EXPECT_EQ(source.At(at + 5), (Location{line, 6}));
    EXPECT_EQ(source.OffsetOfUtf16(line, 3), at + 2);
  }
}

}  // namespace
}  // namespace promptcache
