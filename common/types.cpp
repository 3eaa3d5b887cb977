#include "common/types.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace promptcache {
namespace {

constexpr size_t kMaxStops = 256;
constexpr size_t kMaxStopBytes = 16 << 10;

// A request keeps them, and each token that is generated is held against all of them.
Status CheckStops(const GenerationOptions& options) {
  size_t bytes = 0;
  for (const std::string& stop : options.stop_strings) {
    if (stop.empty()) return InvalidArgument("an empty stop string");
    bytes += stop.size();
  }
  if (options.stop_strings.size() > kMaxStops || options.stop_ids.size() > kMaxStops ||
      bytes > kMaxStopBytes) {
    return InvalidArgument("at most " + std::to_string(kMaxStops) + " stop strings of together " +
                           std::to_string(kMaxStopBytes) + " bytes and as many stop ids");
  }
  return {};
}

}  // namespace

std::string_view RepairName(Repair repair) {
  switch (repair) {
    case Repair::kNone:
      return "none";
    case Repair::kLinked:
      return "linked";
    case Repair::kBlended:
      return "blended";
    case Repair::kFull:
      return "full";
  }
  return "unknown";
}

std::optional<Repair> FindRepair(std::string_view name) {
  for (const Repair repair : {Repair::kNone, Repair::kLinked, Repair::kBlended, Repair::kFull}) {
    if (RepairName(repair) == name) return repair;
  }
  return std::nullopt;
}

std::string_view SourceName(Source source) {
  switch (source) {
    case Source::kDevice:
      return "device";
    case Source::kHost:
      return "host";
    case Source::kDisk:
      return "disk";
    case Source::kRemote:
      return "remote";
    case Source::kEncoded:
      return "encoded";
  }
  return "unknown";
}

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone:
      return "none";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      return "error";
  }
  return "unknown";
}

IdentityDigest Identity::Digest() const {
  return Blake2b()
      .AddString("promptcache identity 1")
      .AddString(weights)
      .AddString(tokenizer)
      .AddString(positions)
      .AddString(dtype)
      .AddString(kv_layout)
      .AddString(encoder)
      .Finish();
}

std::optional<std::string> Identity::FirstDifference(const Identity& here) const {
  struct Field {
    const char* name;
    const std::string Identity::*member;
  };
  static constexpr Field kFields[] = {
      {"weights", &Identity::weights},     {"tokenizer", &Identity::tokenizer},
      {"positions", &Identity::positions}, {"dtype", &Identity::dtype},
      {"kv_layout", &Identity::kv_layout}, {"encoder", &Identity::encoder},
  };
  for (const Field& field : kFields) {
    if (this->*field.member != here.*field.member) {
      return std::string(field.name) + ": " + this->*field.member + ", here " + here.*field.member;
    }
  }
  return std::nullopt;
}

UnitKey MakeUnitKey(const IdentityDigest& identity, uint64_t domain, const RecipeDigest& recipe) {
  return Blake2b()
      .AddString("promptcache unit key 1")
      .AddBytes(identity.bytes)
      .AddU64(domain)
      .AddBytes(recipe.bytes)
      .Finish();
}

uint64_t Plan::cached_tokens() const {
  uint64_t sum = 0;
  for (const PlanSegment& segment : segments) sum += segment.rows;
  return sum;
}

Status Plan::Validate() const {
  PC_RETURN_IF_ERROR(ValidateTokens(new_tokens, "plan new tokens"));
  if (repaired_tokens > new_tokens.size()) {
    return InvalidArgument("plan: " + std::to_string(repaired_tokens) + " repaired tokens of " +
                           std::to_string(new_tokens.size()) + " new ones");
  }
  int64_t end = 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    const PlanSegment& s = segments[i];
    const std::string where = "plan segment " + std::to_string(i) + ": ";
    if (s.unit >= units.size()) return InvalidArgument(where + "names no unit of the plan");
    const uint64_t unit_tokens = units[s.unit].tokens;
    if (s.rows == 0) return InvalidArgument(where + "has no rows");
    if (uint64_t{s.first_row} + s.rows > unit_tokens) {
      return InvalidArgument(where + "reads past the unit's " + std::to_string(unit_tokens) +
                             " rows");
    }
    if (s.first_position < end) {
      return InvalidArgument(where + "starts at " + std::to_string(s.first_position) +
                             ", before the end of the one ahead of it");
    }
    end = int64_t{s.first_position} + s.rows;
    const auto& p = new_tokens.positions;
    const auto next = std::lower_bound(p.begin(), p.end(), s.first_position);
    if (next != p.end() && *next < end) {
      return InvalidArgument(where + "shares position " + std::to_string(*next) +
                             " with a new token");
    }
  }
  if (!new_tokens.empty()) {
    if (new_tokens.positions.front() < 0)
      return InvalidArgument("plan: a new token before position 0");
    end = std::max<int64_t>(end, int64_t{new_tokens.positions.back()} + 1);
  }
  if (end > std::numeric_limits<Position>::max() || next_position < end) {
    return InvalidArgument("plan: next position " + std::to_string(next_position) +
                           " is not after its last token");
  }
  return {};
}

Status GenerationOptions::FitsSlots(uint32_t slots) const {
  if (samples <= slots) return {};
  return ResourceExhausted(std::to_string(samples) +
                           " samples take as many slots; the worker has " + std::to_string(slots) +
                           " (worker.slots). Ask for fewer");
}

Status GenerationOptions::Validate() const {
  if (!(temperature >= 0 && temperature <= 100)) {
    return InvalidArgument("temperature " + std::to_string(temperature) + " is not in 0..100");
  }
  if (!(top_p >= 0 && top_p <= 1))
    return InvalidArgument("top_p " + std::to_string(top_p) + " is not in 0..1");
  if (!(repetition_penalty >= 1 && repetition_penalty <= 100)) {
    return InvalidArgument("repetition_penalty " + std::to_string(repetition_penalty) +
                           " is not in 1..100");
  }
  if (top_k < 0) return InvalidArgument("top_k is negative; 0 switches it off");
  PC_RETURN_IF_ERROR(CheckStops(*this));
  if (samples < 1 || samples > kMaxSamples) {
    return InvalidArgument("samples " + std::to_string(samples) + " is not in 1.." +
                           std::to_string(kMaxSamples));
  }
  if (logprobs > kMaxLogprobs) {
    return InvalidArgument("logprobs " + std::to_string(logprobs) + " is not in 0.." +
                           std::to_string(kMaxLogprobs) + "; 0 switches it off");
  }
  return {};
}

}  // namespace promptcache
