// What a request took: its usage in the making.
#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "common/types.h"
#include "worker/engine/request.h"

namespace promptcache {

// Not thread safe: belongs to the engine thread.
class RequestAccount {
 public:
  // The request outlives its account.
  RequestAccount(const EngineRequest& request, SteadyTime admitted);

  // Unit `index` of the plan is there, `bytes` large, after waiting for `usage.milliseconds`;
  // `encoded_tokens` were run for it.
  void UnitCame(size_t index, uint64_t bytes, UnitUsage usage, uint32_t encoded_tokens);
  // All units are there, or on their way.
  void Began(SteadyTime now);
  // A token of a sample was drawn.
  void Drew(SteadyTime now);
  // In the order of the samples.
  void SampleEnded(FinishReason finish, uint32_t generated_tokens);
  // Once, after all samples. `interrupted`: why those that were not done ended; kNone when all
  // were.
  Usage Take(FinishReason interrupted);

 private:
  const EngineRequest& request_;
  Usage usage_;
};

// Of a request that ends with an error.
FinishReason FinishOf(const Status& status);

// UnitUsage::miss_reason of a unit that could not be loaded.
std::string MissReasonOf(const Status& status);

}  // namespace promptcache
