#include "coordinator/batch/batch_share.h"

#include <fmt/format.h>

#include <algorithm>

namespace promptcache {
namespace {

Status Check(const char* whose, const BatchShare& kept, uint64_t bytes, const BatchShare& most) {
  const uint64_t left = most.bytes - std::min(kept.bytes, most.bytes);
  if (kept.batches < most.batches && bytes <= left) return {};
  return ResourceExhausted(fmt::format(
      "{} batches with {} bytes of items are kept{}, at most {} with {} bytes may be, and this one "
      "has {} bytes; remove some with `promptcache batch rm` once you have their results",
      kept.batches, kept.bytes, whose, most.batches, most.bytes, bytes));
}

}  // namespace

Status CheckShare(const std::vector<KeptBatch>& all, const std::string& tenant, uint64_t bytes) {
  BatchShare kept;
  BatchShare of_tenant;
  for (const KeptBatch& one : all) {
    ++kept.batches;
    kept.bytes += one.head.bytes;
    if (one.head.info.tenant != tenant) continue;
    ++of_tenant.batches;
    of_tenant.bytes += one.head.bytes;
  }
  PC_RETURN_IF_ERROR(Check(" for your tenant", of_tenant, bytes, kMostOfTenant));
  return Check(" for all tenants", kept, bytes, kMostOfBatches);
}

}  // namespace promptcache
