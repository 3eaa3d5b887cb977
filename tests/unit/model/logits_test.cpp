#include "worker/model/logits.h"

#include <gmock/gmock.h>

namespace promptcache {
namespace {

using ::testing::HasSubstr;

TEST(LastLogits, EndWithTheContext) {
  LogitsRequest request{.model = PROMPTCACHE_GOLDEN_DIR "/tiny/llama3",
                        .threads = 1,
                        .ids = {1, 2},
                        .positions = {0, 4095}};
  EXPECT_TRUE(LastLogits(request).ok());
  request.positions = {0, 4096};
  const Status refused = LastLogits(request).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("position 4096 is beyond the model's context of 4096"));
}

TEST(LastLogits, BeginAtPositionZero) {
  const Status refused =
      LastLogits({.model = PROMPTCACHE_GOLDEN_DIR "/tiny/llama3", .ids = {1}, .positions = {-1}})
          .status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("position -1 is below 0"));
}

}  // namespace
}  // namespace promptcache
