#include "coordinator/batch/batch_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

std::vector<KeptBatch> BatchesOf(const std::string& tenant, size_t batches, uint64_t bytes_each) {
  return {batches, {.head = {.info = {.tenant = tenant}, .bytes = bytes_each}}};
}

Status Share(std::vector<KeptBatch> all, uint64_t bytes) { return CheckShare(all, "acme", bytes); }

TEST(BatchShares, OneTenantHasAQuarterOfTheBatches) {
  EXPECT_TRUE(Share(BatchesOf("acme", 1'023, 1), 1).ok());
  const Status full = Share(BatchesOf("acme", 1'024, 1), 1);
  EXPECT_EQ(full.code(), Code::kResourceExhausted);
  EXPECT_THAT(full.message(), HasSubstr("1024 batches with 1024 bytes"));
  EXPECT_THAT(full.message(), HasSubstr("`promptcache batch rm`"));
  EXPECT_TRUE(Share(BatchesOf("bank", 1'024, 1), 1).ok()) << "those of others";
}

TEST(BatchShares, OneTenantHasAQuarterOfTheBytes) {
  const uint64_t gib = uint64_t{1} << 30;
  EXPECT_TRUE(Share(BatchesOf("acme", 7, gib), gib).ok());
  EXPECT_EQ(Share(BatchesOf("acme", 7, gib), gib + 1).code(), Code::kResourceExhausted);
  EXPECT_EQ(Share(BatchesOf("acme", 9, gib), 1).code(), Code::kResourceExhausted);
  EXPECT_TRUE(Share(BatchesOf("bank", 31, gib), gib).ok());
  EXPECT_EQ(Share(BatchesOf("bank", 31, gib), gib + 1).code(), Code::kResourceExhausted);
}

TEST(BatchShares, AllTenantsTogetherHaveAllOfThem) {
  EXPECT_TRUE(Share(BatchesOf("bank", 4'095, 1), 1).ok());
  const Status full = Share(BatchesOf("bank", 4'096, 1), 1);
  EXPECT_EQ(full.code(), Code::kResourceExhausted);
  EXPECT_THAT(full.message(), HasSubstr("for all tenants"));
}

}  // namespace
}  // namespace promptcache::testing
