// Documents that are large, or made to be: each loads or is told why not, in memory that is a small
// multiple of its bytes. Times are printed, not judged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"
#include "tests/fakes/counted_memory.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kFixedBytes = 4 * kMiB;  // what a parse may take however small the document is

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// What is said about the document, empty when it loads. Its memory, the source's own copy included,
// is at most `multiple` times the document's size.
std::string Said(const char* name, const std::string& document, size_t multiple) {
  const auto start = std::chrono::steady_clock::now();
  testing::ResetPeak();
  std::string said;
  {
    const auto schema = ParseSchema(PmlSource("s.xml", document));
    said = schema.ok() ? "" : schema.status().message();
  }
  const size_t peak = testing::PeakBytes();
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  std::printf(
      "%-28s %9zu bytes %9.2f ms, peak %5.2f times the document\n", name, document.size(),
      elapsed.count(),
      static_cast<double>(peak) / static_cast<double>(std::max<size_t>(document.size(), 1)));
  EXPECT_LE(peak, multiple * document.size() + kFixedBytes) << name;
  return said;
}

TEST(BigDocuments, SixtyFourMebibytesOfTextLoad) {
  const std::string line = "All of this is text, R&amp;B too, and none of it is markup at all.\n";
  const std::string frame = "<schema name='s'></schema>";
  std::string document = "<schema name='s'>" + Repeat(line, (64 * kMiB - frame.size()) / 67);
  document += std::string(64 * kMiB - frame.size() + 17 - document.size(), 'x') + "</schema>";
  ASSERT_EQ(document.size(), 64 * kMiB);
  EXPECT_EQ(Said("text", document, 3), "");
}

TEST(BigDocuments, SixtyFourMebibytesOfLineBreaksLoad) {
  EXPECT_EQ(
      Said("line breaks", "<schema name='s'>" + std::string(64 * kMiB - 30, '\n') + "</schema>", 3),
      "");
}

TEST(BigDocuments, OneByteMoreIsRefusedUnread) {
  EXPECT_THAT(Said("too large", std::string(64 * kMiB + 1, '<'), 2),
              AllOf(HasSubstr("67108865 bytes"), HasSubstr("limit is 67108864")));
}

TEST(BigDocuments, DeepNestingEndsAtTheLimit) {
  EXPECT_THAT(Said("200,000 deep",
                   "<schema name='s'>" + Repeat("<module name='m'>", 200'000) +
                       Repeat("</module>", 200'000) + "</schema>",
                   2),
              AllOf(HasSubstr("nested deeper than 64"), HasSubstr("PML0121")));
}

TEST(BigDocuments, AMillionAttributesEndAtTheLimit) {
  std::string document = "<schema name='s'";
  for (int i = 0; i < 1'000'000; ++i) document += " a" + std::to_string(i) + "=''";
  EXPECT_THAT(Said("1,000,000 attributes", document + "/>", 2),
              AllOf(HasSubstr("more than 64 attributes"), HasSubstr("PML0123")));
}

TEST(BigDocuments, AMillionElementsEndAtTheLimit) {
  EXPECT_THAT(Said("1,000,000 elements",
                   "<schema name='s'>" + Repeat("<module name='m'/>", 1'000'000) + "</schema>", 4),
              AllOf(HasSubstr("more than 100000 elements"), HasSubstr("PML0122")));
}

TEST(BigDocuments, MillionsOfMistakesAreCountedAndNotKept) {
  for (const char* mistake :
       {"&", "<", "]]>", "\x01", "<a b=\"", "<?", "<!", "</x>", "&#0;", "<!---"}) {
    const std::string document =
        "<schema name='s'>" + Repeat(mistake, 8 * kMiB / std::string(mistake).size());
    EXPECT_THAT(Said("mistakes", document, 16), HasSubstr("error: ")) << mistake;
  }
}

TEST(BigDocuments, OverlongNamesAndValuesAreRefused) {
  const std::string name(kMiB, 'n');
  EXPECT_THAT(Said("long element name", "<" + name + "/>", 2),
              AllOf(HasSubstr("has 1048576 bytes; the limit is 256"), HasSubstr("PML0124")));
  EXPECT_THAT(Said("long attribute name", "<schema " + name + "='1'/>", 2), HasSubstr("PML0124"));
  EXPECT_THAT(Said("long module name", "<schema name='" + name + "'/>", 12), HasSubstr("PML0208"));
  EXPECT_THAT(Said("long value", "<schema name='" + name + "n'/>", 2),
              AllOf(HasSubstr("has 1048577 bytes; the limit is 1048576"), HasSubstr("PML0125")));
}

// A module keeps its path: nested names are cheap to write and long to keep.
TEST(BigDocuments, DeepNestsOfLongNamesAreRefused) {
  const std::string open = "<module name='" + std::string(254, 'n') + "'>";
  EXPECT_THAT(Said("60 long names deep",
                   "<schema name='s'>" + Repeat(open, 60) + "<union>" +
                       Repeat("<module name='m'>x</module>", 6'000) + "</union>" +
                       Repeat("</module>", 60) + "</schema>",
                   12),
              AllOf(HasSubstr("the path has 1276 bytes; the limit is 1024"), HasSubstr("PML0231")));
}

TEST(BigDocuments, ALayoutKeepsItsPathsInBoundedMemory) {
  const std::string open = "<module name='" + std::string(254, 'n') + "'>";
  const auto with_modules = [&](size_t count) {
    std::string document = "<schema name='s'>" + Repeat(open, 3);
    for (size_t i = 0; i < count; ++i) {
      document += "<module name='m" + std::to_string(i) + std::string(200, 'm') + "'>x</module>";
    }
    return document + Repeat("</module>", 3) + "</schema>";
  };
  EXPECT_THAT(Said("too many paths", with_modules(18'000), 12), HasSubstr("PML0232"));
  const testing::ToyCompiler compiler;
  testing::ResetPeak();
  EXPECT_TRUE(compiler.LayoutOf(with_modules(17'000)).ok());
  EXPECT_LE(testing::PeakBytes(), 96 * kMiB);
}

TEST(BigDocuments, LyingEncodingsAreToldApart) {
  const auto utf16 = [](std::string_view text, bool big_endian) {
    std::string out;
    for (const char c : text) {
      out += big_endian ? std::string({'\0', c}) : std::string({c, '\0'});
    }
    return out;
  };
  const std::string schema = "<?xml version='1.0' encoding='UTF-8'?><schema name='s'>a</schema>";
  EXPECT_THAT(Said("UTF-16 LE with mark", "\xFF\xFE" + utf16(schema, false), 2),
              HasSubstr("looks like UTF-16"));
  EXPECT_THAT(Said("UTF-16 BE with mark", "\xFE\xFF" + utf16(schema, true), 2),
              HasSubstr("looks like UTF-16"));
  EXPECT_THAT(Said("UTF-16 LE", utf16(schema, false), 2), HasSubstr("looks like UTF-16"));
  EXPECT_THAT(Said("UTF-16 BE", utf16(schema, true), 2), HasSubstr("looks like UTF-16"));
  EXPECT_THAT(
      Said("declared UTF-16", "<?xml version='1.0' encoding='UTF-16'?><schema name='s'/>", 2),
      HasSubstr("'UTF-16' is not UTF-8"));
  EXPECT_THAT(Said("declared UTF-7", "<?xml version='1.0' encoding='utf-7'?><schema name='s'/>", 2),
              HasSubstr("'utf-7' is not UTF-8"));
}

TEST(BigDocuments, BytesThatAreNoCharactersAreRefusedWhereTheyStand) {
  const std::string text(kMiB, 'x');
  for (const char* bytes : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    EXPECT_THAT(Said("invalid UTF-8", "<schema name='s'>" + text + bytes + "</schema>", 4),
                AllOf(HasSubstr("s.xml:1:1048594: error: the document is not UTF-8"),
                      HasSubstr("in <schema name='s'>")));
  }
  EXPECT_THAT(Said("NUL", "<schema name='s'>" + text + std::string(1, '\0') + "</schema>", 4),
              HasSubstr("s.xml:1:1048594: error: the character U+0000 is not allowed"));
}

}  // namespace
}  // namespace promptcache
