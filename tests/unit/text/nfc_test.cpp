#include "common/text/nfc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "common/hash.h"
#include "common/text/utf8.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

std::string Normal(std::string_view text) {
  std::string buffer;
  return std::string(Nfc(text, buffer));
}

bool IsCovered(char32_t code, const json& assigned_later) {
  return (code < 0xD800 || code > 0xDFFF) &&
         std::none_of(assigned_later.begin(), assigned_later.end(), [&](const json& run) {
           return code >= run[0].get<char32_t>() && code <= run[1].get<char32_t>();
         });
}

// Around each code point: starters that compose with it, marks it may move past, and itself.
std::string TextAround(char32_t code) {
  std::string c;
  AppendUtf8(code, c);
  return c + "e" + c + "\u0301\u0323" + c + "\u1100" + c + "\u1161" + c + "\u11a8 " + c;
}

TEST(Nfc, NormalisesEveryCodePointAsTransformers) {
  const json golden = TextGolden("nfc");
  const auto block = golden["block"].get<char32_t>();
  for (const json& range : golden["ranges"]) {
    const auto end = range[1].get<char32_t>();
    for (auto first = range[0].get<char32_t>(); first < end; first += block) {
      std::string forms;
      for (char32_t code = first; code < std::min<char32_t>(first + block, end); ++code) {
        if (IsCovered(code, golden["assigned_later"])) forms += Normal(TextAround(code));
      }
      char name[16];
      std::snprintf(name, sizeof(name), "%06X", static_cast<unsigned>(first));
      const auto* bytes = reinterpret_cast<const uint8_t*>(forms.data());
      EXPECT_EQ(Blake2b256({bytes, forms.size()}).ToHex(),
                golden["digests"][name].get<std::string>())
          << "in the block from U+" << name;
    }
  }
}

TEST(Nfc, GivesATextInNormalFormItself) {
  for (const std::string_view text :
       {"", "plain", "caf\u00e9 \u4e2d\u6587 \u201cq\u201d \U0001f600"}) {
    std::string buffer;
    EXPECT_EQ(Nfc(text, buffer).data(), text.data());
    EXPECT_TRUE(buffer.empty());
  }
}

TEST(Nfc, ChangesOnlyWhatIsNotInNormalForm) {
  EXPECT_EQ(Normal("a e\u0301 b"), "a \u00e9 b");
  EXPECT_EQ(Normal("\u0301"), "\u0301");
  EXPECT_EQ(Normal("x\u0301y\u0301"), "x\u0301\u00fd");
  EXPECT_EQ(Normal("\u1100\u1161\u11a8 \uac00\u11a8"), "\uac01 \uac01");
}

// A letter with a million marks in the wrong order.
TEST(Nfc, OrdersAVeryLongRunOfMarks) {
  constexpr size_t kPairs = 1 << 19;
  std::string text = "q", above, below;
  for (size_t i = 0; i < kPairs; ++i) {
    text += "\u0301\u0323";
    above += "\u0301";
    below += "\u0323";
  }
  EXPECT_EQ(Normal(text), "q" + below + above);
}

}  // namespace
}  // namespace promptcache::testing
