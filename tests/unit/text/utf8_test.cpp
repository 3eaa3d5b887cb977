#include "common/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace promptcache::testing {
namespace {

// Plain arithmetic, for comparison with the table of the implementation.
std::string Encode(uint32_t c, int bytes) {
  static constexpr uint8_t kLead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  std::string text(static_cast<size_t>(bytes), '\0');
  for (int i = bytes - 1; i > 0; --i, c >>= 6) text[i] = static_cast<char>(0x80 | (c & 0x3F));
  text[0] = static_cast<char>(kLead[bytes] | c);
  return text;
}

int ShortestLength(uint32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

TEST(Utf8, DecodesEveryCodePointAndNoSurrogate) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    const int length = ShortestLength(c);
    const auto decoded = DecodeUtf8At("ab" + Encode(c, length) + "c", 2);
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    ASSERT_EQ(decoded.bytes, surrogate ? 0u : static_cast<uint32_t>(length)) << c;
    ASSERT_EQ(decoded.code, surrogate ? 0u : c);
  }
}

TEST(Utf8, AppendsEveryCodePoint) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    std::string text = "a";
    AppendUtf8(c, text);
    ASSERT_EQ(text, "a" + Encode(c, ShortestLength(c))) << c;
  }
}

TEST(Utf8, RejectsOverlongFormsAndValuesPastTheLast) {
  for (uint32_t c = 0; c < 0x10000; ++c) {
    for (int length = ShortestLength(c) + 1; length <= 4; ++length) {
      ASSERT_EQ(DecodeUtf8At(Encode(c, length), 0).bytes, 0u) << c << " in " << length;
    }
  }
  for (uint32_t c = 0x110000; c < 0x200000; c += 0x1FF) {
    ASSERT_EQ(DecodeUtf8At(Encode(c, 4), 0).bytes, 0u) << c;
  }
}

TEST(Utf8, RejectsEveryCutAndEveryStrayByte) {
  for (const std::string whole : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    for (size_t n = 1; n < whole.size(); ++n) {
      EXPECT_EQ(DecodeUtf8At(whole.substr(0, n), 0).bytes, 0u);
      EXPECT_EQ(DecodeUtf8At(whole.substr(0, n) + "a", 0).bytes, 0u);
      EXPECT_EQ(DecodeUtf8At(whole, n).bytes, 0u);
    }
  }
}

TEST(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(FirstInvalidUtf8(""), 0u);
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\xC3\xA9"));
  EXPECT_EQ(FirstInvalidUtf8("a\xC3\xA9\xFFz"), 3u);
  EXPECT_EQ(FirstInvalidUtf8("a\xE2\x82"), 1u);
  EXPECT_TRUE(IsUtf8(std::string("a\0b", 3)));
  for (size_t before = 0; before < 20; ++before) {  // at every place among eight
    EXPECT_EQ(FirstInvalidUtf8(std::string(before, 'a') + "\xFF" + std::string(20, 'z')), before);
    EXPECT_TRUE(IsUtf8(std::string(before, 'a') + "\xC3\xA9" + std::string(20, 'z')));
  }
}

struct FaultCase {
  std::string text;
  uint32_t bytes;
  bool may_grow;
};

TEST(Utf8, FaultsAreMaximalSubparts) {
  const FaultCase cases[] = {
      {"\x80", 1, false},         {"\xC0\xAF", 1, false},     {"\xFF", 1, false},
      {"\xC3", 1, true},          {"\xC3(", 1, false},        {"\xE2\x82", 2, true},
      {"\xE2\x82(", 2, false},    {"\xE0\x80", 1, false},     {"\xED\xA0", 1, false},
      {"\xED\x9F", 2, true},      {"\xF0\x9F\x98", 3, true},  {"\xF0\x9F\x98(", 3, false},
      {"\xF0\x8F\x80", 1, false}, {"\xF4\x90\x80", 1, false}, {"\xF4\x8F", 2, true},
      {"\xF5\x80", 1, false},     {"\xE2\xE2", 1, false}};
  for (const FaultCase& one : cases) {
    ASSERT_EQ(DecodeUtf8At(one.text, 0).bytes, 0u);
    const Utf8Fault fault = Utf8FaultAt("x" + one.text, 1);
    EXPECT_EQ(fault.bytes, one.bytes) << ::testing::PrintToString(one.text);
    EXPECT_EQ(fault.may_grow, one.may_grow) << ::testing::PrintToString(one.text);
  }
}

TEST(Utf8, KnowsTheTwentyFiveWhiteSpaces) {
  int spaces = 0;
  for (char32_t c = 0; c < 0x110000; ++c) spaces += IsUnicodeSpace(c) ? 1 : 0;
  EXPECT_EQ(spaces, 25);
  for (char32_t c : {U' ', U'\t', U'\n', U'\r', U'\x85', U'\xA0', U'\x2003', U'\x3000'}) {
    EXPECT_TRUE(IsUnicodeSpace(c));
  }
  for (char32_t c : {U'\x180E', U'\x200B', U'\xFEFF', U'\x2060', U'\x1C', U'a'}) {
    EXPECT_FALSE(IsUnicodeSpace(c));
  }
}

TEST(Utf8, AbbreviatesBetweenCharacters) {
  EXPECT_EQ(AbbreviateUtf8("\u00e9\u00e9", 4), "\u00e9\u00e9");
  EXPECT_EQ(AbbreviateUtf8("\u00e9\u00e9", 3), "\u00e9...");
  EXPECT_EQ(AbbreviateUtf8("\u00e9\u00e9", 1), "...");
  EXPECT_EQ(AbbreviateUtf8("\x80\x80\x80", 2), "...");
  EXPECT_EQ(AbbreviateUtf8("abc", 2), "ab...");
}

}  // namespace
}  // namespace promptcache::testing
