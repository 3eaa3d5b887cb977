#include <gtest/gtest.h>

#include <cmath>

#include "common/exit_codes.h"
#include "common/hash.h"
#include "common/ids.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {
namespace {

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(Status, CopiesAreIndependentAndOkIsEmpty) {
  Status a = NotFound("x");
  const Status b = a;
  a = Status();
  EXPECT_TRUE(a.ok());
  EXPECT_EQ(b.ToString(), "not found: x");
  EXPECT_EQ(b.WithContext("here").message(), "here: x");
  EXPECT_EQ(a.ToString(), "ok");
}

TEST(ExitCodes, TellTheCodeOfAStatus) {
  EXPECT_EQ(ExitCodeFor({}), 0);
  EXPECT_EQ(ExitCodeFor(InvalidArgument("x")), 3);
  EXPECT_EQ(ExitCodeFor(Unavailable("x")), 7);
  EXPECT_EQ(ExitCodeFor(Internal("x")), 14);
  for (int exit_code = 3; exit_code <= 14; ++exit_code) {
    EXPECT_EQ(ExitCodeFor(Status(CodeOfExit(exit_code), "x")), exit_code);
  }
  for (const int exit_code : {0, 1, 2, 15, 127, 137}) {
    EXPECT_EQ(CodeOfExit(exit_code), Code::kUnavailable);
  }
}

Status FailWhenNegative(int value) {
  const auto check = [](int v) -> Result<int> {
    if (v < 0) return InvalidArgument("negative");
    return v;
  };
  PC_ASSIGN_OR_RETURN(const int checked, check(value));
  return checked == value ? Status() : Internal("changed");
}

TEST(Result, AssignOrReturnPassesTheStatusOn) {
  EXPECT_TRUE(FailWhenNegative(1).ok());
  EXPECT_EQ(FailWhenNegative(-1).code(), Code::kInvalidArgument);
}

TEST(ResultDeathTest, ValueOfAFailureAbortsWithItsStatus) {
  Result<int> result = DataLoss("torn");
  EXPECT_DEATH((void)*result, "data loss: torn");
}

// RFC 7693's BLAKE2b of "abc" is for 64 bytes; the 32-byte value is libsodium's and b2sum -l 256's.
TEST(Blake2b, MatchesTheKnown256BitDigestOfAbc) {
  EXPECT_EQ(Blake2b256(Bytes("abc")).ToHex(),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(Blake2b, StringsCarryTheirLength) {
  EXPECT_NE(Blake2b().AddString("ab").AddString("c").Finish(),
            Blake2b().AddString("a").AddString("bc").Finish());
}

TEST(Xxh3, MatchesTheKnownDigestOfNothing) {
  EXPECT_EQ(Xxh3_128({}).ToHex(), "99aa06d3014798d86001c324468d497f");
}

TEST(Digest256, HexRoundTripsAndRejectsOtherText) {
  const Digest256 digest = Blake2b256(Bytes("x"));
  EXPECT_EQ(*Digest256::FromHex(digest.ToHex()), digest);
  EXPECT_FALSE(Digest256::FromHex("12").ok());
  EXPECT_FALSE(Digest256::FromHex(std::string(64, 'g')).ok());
  EXPECT_FALSE(Digest256::FromBytes(Bytes("short")).ok());
}

TEST(RequestId, HexRoundTripsAndRejectsOtherText) {
  const RequestId id = RequestId::Random();
  EXPECT_EQ(*RequestId::FromHex(id.ToHex()), id);
  EXPECT_NE(RequestId::Random(), id);
  EXPECT_FALSE(RequestId::FromHex("zz").ok());
  EXPECT_FALSE(RequestId::FromHex(std::string(32, 'x')).ok());
}

TEST(Identity, NamesTheFirstFieldThatDiffers) {
  Identity a{.weights = "w", .dtype = "bf16"};
  Identity b = a;
  EXPECT_EQ(a.FirstDifference(b), std::nullopt);
  b.dtype = "fp32";
  EXPECT_EQ(a.FirstDifference(b), "dtype: bf16, here fp32");
  EXPECT_NE(a.Digest(), b.Digest());
}

TEST(UnitKey, DependsOnIdentityDomainAndRecipe) {
  const Digest256 x = Blake2b256(Bytes("x"));
  const Digest256 y = Blake2b256(Bytes("y"));
  const UnitKey key = MakeUnitKey(x, 0, y);
  EXPECT_NE(MakeUnitKey(y, 0, y), key);
  EXPECT_NE(MakeUnitKey(x, 1, y), key);
  EXPECT_NE(MakeUnitKey(x, 0, x), key);
}

Plan SmallPlan() {
  Plan plan;
  plan.units.push_back({.path = "s", .tokens = 10});
  plan.segments = {{.unit = 0, .first_row = 0, .rows = 3, .first_position = 0, .shift = 0},
                   {.unit = 0, .first_row = 3, .rows = 7, .first_position = 5, .shift = 2}};
  plan.new_tokens = {.ids = {1, 2}, .positions = {4, 12}};
  plan.next_position = 13;
  return plan;
}

TEST(Plan, ValidateNamesEachBrokenInvariant) {
  EXPECT_TRUE(SmallPlan().Validate().ok()) << SmallPlan().Validate().ToString();
  EXPECT_EQ(SmallPlan().cached_tokens(), 10u);
  const auto broken = [](auto change) {
    Plan plan = SmallPlan();
    change(plan);
    return plan.Validate().message();
  };
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(broken([](Plan& p) { p.segments[1].unit = 1; }), "segment 1: names no unit"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.segments[0].rows = 0; }), "has no rows"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.segments[1].first_row = 4; }), "past the unit's 10"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.segments[1].first_row = UINT32_MAX; }), "past the unit"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.segments[1].first_position = 2; }), "before the end"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.new_tokens.positions[0] = 6; }), "shares position 6"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.next_position = 12; }), "next position 12"));
  EXPECT_TRUE(has(broken([](Plan& p) { p.new_tokens.positions = {-1, 12}; }), "before position 0"));
}

TEST(GenerationOptions, RejectsValuesOutsideTheirRange) {
  EXPECT_TRUE(GenerationOptions{}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.temperature = -1}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.temperature = NAN}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.top_p = 1.5}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.top_k = -1}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.repetition_penalty = 0.5}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.stop_strings = {""}}.Validate().ok());
  const std::string half(8 << 10, 'x');
  EXPECT_TRUE((GenerationOptions{.stop_strings = {half, half}}.Validate().ok()));
  EXPECT_FALSE((GenerationOptions{.stop_strings = {half, half, "x"}}.Validate().ok()));
  const std::vector<TokenId> ids(256, 7);
  const std::vector<std::string> words(256, "x");
  EXPECT_TRUE((GenerationOptions{.stop_ids = ids, .stop_strings = words}.Validate().ok()));
  const std::vector<TokenId> more_ids(257, 7);
  EXPECT_FALSE(GenerationOptions{.stop_ids = more_ids}.Validate().ok());
  const std::vector<std::string> more_words(257, "x");
  EXPECT_FALSE(GenerationOptions{.stop_strings = more_words}.Validate().ok());
  EXPECT_TRUE((GenerationOptions{.samples = 64, .logprobs = 20}.Validate().ok()));
  EXPECT_EQ(GenerationOptions{.samples = 0}.Validate().message(), "samples 0 is not in 1..64");
  EXPECT_FALSE(GenerationOptions{.samples = 65}.Validate().ok());
  EXPECT_FALSE(GenerationOptions{.logprobs = 21}.Validate().ok());
}

}  // namespace
}  // namespace promptcache
