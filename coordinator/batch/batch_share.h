// How much of the store batches may take. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/batch/batch_records.h"

namespace promptcache {

struct BatchShare {
  uint64_t batches = 0;  // with those whose results are still kept
  uint64_t bytes = 0;    // of the records of their items
};
inline constexpr BatchShare kMostOfBatches{.batches = 4096, .bytes = uint64_t{32} << 30};
inline constexpr BatchShare kMostOfTenant{.batches = kMostOfBatches.batches / 4,
                                          .bytes = kMostOfBatches.bytes / 4};

// kResourceExhausted saying what is kept unless a batch of this tenant with these bytes fits beside
// all that are.
Status CheckShare(const std::vector<KeptBatch>& all, const std::string& tenant, uint64_t bytes);

}  // namespace promptcache
