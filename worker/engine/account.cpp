#include "worker/engine/account.h"

#include <utility>

namespace promptcache {

RequestAccount::RequestAccount(const EngineRequest& request, SteadyTime admitted)
    : request_(request) {
  const Plan& plan = request_.plan;
  usage_.cached_tokens = static_cast<uint32_t>(plan.cached_tokens());
  usage_.computed_tokens = static_cast<uint32_t>(plan.new_tokens.size());
  usage_.prompt_tokens = usage_.cached_tokens + usage_.computed_tokens;
  usage_.repair = plan.repair;
  usage_.linked_tokens = plan.linked_tokens;
  usage_.recomputed_tokens = plan.repaired_tokens;
  usage_.queue_ms = MillisecondsBetween(request_.received, admitted);
  usage_.units.resize(plan.units.size());
}

void RequestAccount::UnitCame(size_t index, uint64_t bytes, UnitUsage usage,
                              uint32_t encoded_tokens) {
  usage.path = request_.plan.units[index].path;
  usage.digest = request_.plan.units[index].digest;
  usage.bytes = bytes;
  usage.tokens = 0;
  for (const PlanSegment& segment : request_.plan.segments) {
    if (segment.unit == index) usage.tokens += segment.rows;
  }
  if (usage.source != Source::kEncoded) usage_.reused_tokens += usage.tokens;
  usage_.encoded_tokens += encoded_tokens;
  usage_.units[index] = std::move(usage);
}

void RequestAccount::Began(SteadyTime now) {
  usage_.acquire_ms = MillisecondsBetween(request_.received, now) - usage_.queue_ms;
}

void RequestAccount::Drew(SteadyTime now) {
  if (usage_.ttft_ms == 0) usage_.ttft_ms = MillisecondsBetween(request_.received, now);
}

void RequestAccount::SampleEnded(FinishReason finish, uint32_t generated_tokens) {
  usage_.generated_tokens += generated_tokens;
  usage_.samples.push_back({.finish = finish, .generated_tokens = generated_tokens});
}

Usage RequestAccount::Take(FinishReason interrupted) {
  usage_.finish = FinishReason::kStop;
  for (const SampleUsage& sample : usage_.samples) {
    if (sample.finish == FinishReason::kLength) usage_.finish = sample.finish;
  }
  if (interrupted != FinishReason::kNone) usage_.finish = interrupted;
  usage_.total_ms = MillisecondsBetween(request_.received, SystemClock().Now());
  return std::move(usage_);
}

FinishReason FinishOf(const Status& status) {
  return status.code() == Code::kCancelled ? FinishReason::kCancelled : FinishReason::kError;
}

std::string MissReasonOf(const Status& status) {
  switch (status.code()) {
    case Code::kNotFound:
      return "not stored";
    case Code::kDataLoss:
      return "checksum";
    case Code::kFailedPrecondition:
      return status.message();
    default:
      return "store unavailable";
  }
}

}  // namespace promptcache
