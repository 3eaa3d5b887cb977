#include "cluster/wire/traceparent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kTrace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, WhatTheStandardAllowsIsTaken) {
  EXPECT_TRUE(CheckTraceparent(kTrace).ok());
  EXPECT_TRUE(CheckTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").ok());
  const std::string later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(CheckTraceparent(later).ok());
  EXPECT_TRUE(CheckTraceparent(later + "-what-comes-later").ok());
}

TEST(Traceparent, WhatIsWrongIsNamed) {
  const struct {
    std::string trace;
    const char* reason;
  } cases[] = {
      {"00-1-2-01", "too short"},
      {std::string(257, 'x'), "257 bytes"},
      {"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "separated"},
      {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "version"},
      {"0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "version"},
      {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "trace id is not"},
      {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "trace id is zero"},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b -01", "parent id is not"},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "parent id is zero"},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g", "flags"},
      {std::string(kTrace) + "-more", "more follows"},
      {"cc" + std::string(kTrace + 2) + "more", "more follows"},
  };
  for (const auto& [trace, reason] : cases) {
    const Status status = CheckTraceparent(trace);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << trace;
    EXPECT_THAT(status.message(), HasSubstr(reason)) << trace;
  }
}

TEST(Traceparent, OfARequestItHasTheRequestsId) {
  const RequestId id = RequestId::Random();
  EXPECT_THAT(TraceparentOf(id), StartsWith("00-" + id.ToHex() + "-"));
  EXPECT_TRUE(CheckTraceparent(TraceparentOf(id)).ok());
  RequestId mostly_zero;
  mostly_zero.bytes[15] = 1;
  EXPECT_EQ(TraceparentOf(mostly_zero), "00-00000000000000000000000000000001-0000000000000001-01");
}

}  // namespace
}  // namespace promptcache
