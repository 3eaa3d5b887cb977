#include "common/tenant_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kGib = uint64_t{1} << 30;

std::string ErrorOf(const std::vector<std::string>& lines) {
  const auto limits = TenantLimits::Parse(lines);
  EXPECT_EQ(limits.status().code(), Code::kInvalidArgument);
  return limits.status().message();
}

TEST(TenantLimits, ALineSaysWhatItsTenantMayHave) {
  const auto limits = *TenantLimits::Parse({"acme requests=64 bytes=10GiB pinned=1GiB"});
  EXPECT_EQ(limits.Of("acme"),
            (TenantLimit{.requests = 64, .bytes = 10 * kGib, .pinned_bytes = kGib}));
}

TEST(TenantLimits, WhatIsNotSaidHasNoLimit) {
  EXPECT_EQ(TenantLimits::Parse({})->Of("acme"), TenantLimit{});
  const auto limits = *TenantLimits::Parse({"acme bytes=5"});
  EXPECT_EQ(limits.Of("acme"), (TenantLimit{.bytes = 5}));
  EXPECT_EQ(limits.Of("other"), TenantLimit{});
}

TEST(TenantLimits, TheStarIsEveryTenantWithoutALineAndNotTheOneWithoutAName) {
  const auto limits = *TenantLimits::Parse({"* requests=2", "acme requests=9"});
  EXPECT_EQ(limits.Of("other").requests, 2u);
  EXPECT_EQ(limits.Of("acme").requests, 9u);
  EXPECT_EQ(limits.Of(""), TenantLimit{});
}

TEST(TenantLimits, SizesHaveUnits) {
  const auto limits =
      *TenantLimits::Parse({"a bytes=3KiB", "b bytes=3MiB", "c bytes=2TiB", "d bytes=0"});
  EXPECT_EQ(limits.Of("a").bytes, 3u << 10);
  EXPECT_EQ(limits.Of("b").bytes, 3u << 20);
  EXPECT_EQ(limits.Of("c").bytes, 2048 * kGib);
  EXPECT_EQ(limits.Of("d").bytes, 0u);
}

TEST(TenantLimits, ErrorsNameTheLineAndWhatIsWrong) {
  EXPECT_THAT(ErrorOf({"acme requests=1", "other request=1"}),
              AllOf(HasSubstr("line 2"), HasSubstr("other request=1"), HasSubstr("'request=1'")));
  for (const char* line :
       {"", "  ", "requests=1", "acme requests", "acme requests=", "acme 5", "acme requests=-1",
        "acme requests=1.5", "acme requests=1GiB", "acme bytes=GiB", "acme bytes=5gib",
        "acme bytes=5 GiB", "acme bytes=99999999999999999999", "acme bytes=99999999999GiB",
        "acme bytes=1 bytes=2"}) {
    EXPECT_THAT(ErrorOf({line}), HasSubstr("line 1")) << line;
  }
  EXPECT_THAT(ErrorOf({"acme bytes=1", "acme pinned=1"}), HasSubstr("has a line already"));
}

}  // namespace
}  // namespace promptcache::testing
