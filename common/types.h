// The plain values that travel between the coordinator, the workers and the cachestore.
//
// Everything here is a value: copyable, comparable, without threads or ownership. The wire form of
// each is in schemas/wire/, written and read by cluster/wire/ only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/hash.h"
#include "common/recipe.h"
#include "common/status.h"
#include "common/tokens.h"

namespace promptcache {

using UnitKey = Digest256;
using IdentityDigest = Digest256;

// Everything that decides the numbers of an encoded unit, field by field, so that a mismatch can be
// named.
struct Identity {
  std::string weights;    // hex BLAKE2b-256 of the files that decide the model
  std::string tokenizer;  // hex digest of the tokenizer's definition
  std::string positions;  // "rope theta=100000 dim=64 scaling=none layout=half"
  std::string dtype;      // compute dtype: "fp32", "bf16"
  std::string kv_layout;  // "lkhtd-v1": [layer][K|V][kv_head][token][dim], K after RoPE at
                          // unit-local positions
  std::string encoder;    // encoder version: "1"

  IdentityDigest Digest() const;
  // Name of the first field that differs ("dtype: bf16, here fp32"), or nullopt when equal.
  std::optional<std::string> FirstDifference(const Identity& here) const;
  bool operator==(const Identity&) const = default;
};

// BLAKE2b-256(identity || domain || recipe). domain is 0 for shared units.
UnitKey MakeUnitKey(const IdentityDigest& identity, uint64_t domain, const RecipeDigest& recipe);

// How long encoded units are kept, in every tier.
struct Lifetime {
  uint64_t ttl_ms = 0;  // from the last import; 0: as long as there is room
  bool pinned = false;  // neither evicted for want of room nor expired
  bool operator==(const Lifetime&) const = default;
};

struct PlanUnit {
  RecipeDigest digest;
  std::string path;     // "support/policies/refunds"; the schema name alone for the root unit
  uint32_t tokens = 0;  // rows of the unit, imported or not
  Lifetime lifetime;
  bool operator==(const PlanUnit&) const = default;
};

// Rows [first_row, first_row + rows) of a unit; row r sits at target position
// recipe.RowPositions()[r] + shift, and these target positions are contiguous.
struct PlanSegment {
  uint32_t unit = 0;  // index into Plan::units
  uint32_t first_row = 0;
  uint32_t rows = 0;
  Position first_position = 0;  // target position of first_row
  Position shift = 0;
  bool operator==(const PlanSegment&) const = default;
};

// How the parts that modules could not see of each other are recomputed.
enum class Repair : uint8_t { kNone = 0, kLinked = 1, kBlended = 2, kFull = 3 };
std::string_view RepairName(Repair repair);
std::optional<Repair> FindRepair(std::string_view name);  // nullopt: there is none of this name

// Largest k of Repair::kLinked.
inline constexpr uint32_t kMaxLinkedTokens = 1 << 20;

// What a worker executes. Segments ascend in target position; no position occurs twice among
// segments and new tokens.
struct Plan {
  std::vector<PlanUnit> units;
  std::vector<PlanSegment> segments;
  Tokens new_tokens;           // computed by this request; the last one gives the first logits
  Position next_position = 0;  // of the first generated token
  Repair repair = Repair::kNone;
  uint32_t linked_tokens = 0;    // k of Repair::kLinked, else 0
  uint32_t repaired_tokens = 0;  // new tokens that stand in imported units

  uint64_t cached_tokens() const;  // sum of segment rows
  // kInvalidArgument naming the violated invariant. Workers call it on every plan they receive.
  Status Validate() const;
  bool operator==(const Plan&) const = default;
};

struct GenerationOptions {
  static constexpr uint32_t kMaxSamples = 64;
  static constexpr uint32_t kMaxLogprobs = 20;

  uint32_t max_new_tokens = 256;
  double temperature = 0.0;         // below 1e-5: greedy
  double top_p = 1.0;               // below 1e-8: greedy
  int32_t top_k = 0;                // 0: off
  double repetition_penalty = 1.0;  // 1: off; looks at every token of the plan and the answer
  uint64_t seed = 0;
  std::vector<TokenId> stop_ids;          // besides the model's own end tokens
  std::vector<std::string> stop_strings;  // text is cut before the stop string
  uint32_t samples = 1;   // answers to one prompt; sample i draws with (seed, i, step)
  uint32_t logprobs = 0;  // 0: off; else of each token and of so many likeliest ones
  bool operator==(const GenerationOptions&) const = default;

  Status Validate() const;
  // The samples run together, one slot each: kResourceExhausted when a worker of so many slots
  // cannot run them.
  Status FitsSlots(uint32_t slots) const;
};

// Natural logarithm of a token's probability.
struct TokenLogprob {
  TokenId id = 0;
  double logprob = 0;  // finite
  std::string bytes;   // of the token; may be a part of a character
  bool operator==(const TokenLogprob&) const = default;
};
// Of one generated token, by the model's own distribution: before temperature, repetition penalty,
// top-p and top-k.
struct TokenLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;  // the likeliest first; equal ones by id
  bool operator==(const TokenLogprobs&) const = default;
};

// Where a unit's states came from. On the wire: never renumber.
enum class Source : uint8_t { kDevice = 1, kHost = 2, kDisk = 3, kRemote = 4, kEncoded = 5 };
std::string_view SourceName(Source source);  // "device", "host", "disk", "remote", "encoded"

struct UnitUsage {
  std::string path;
  RecipeDigest digest;
  Source source = Source::kEncoded;
  std::string miss_reason;  // empty on a hit; else "not stored", "checksum", "identity: dtype ...",
                            // "store unavailable", "cheaper to encode"
  uint32_t tokens = 0;      // rows the request used
  uint64_t bytes = 0;
  double milliseconds = 0;  // waiting for this unit
  bool operator==(const UnitUsage&) const = default;
};

enum class FinishReason : uint8_t { kNone = 0, kLength = 1, kStop = 2, kCancelled = 3, kError = 4 };
std::string_view FinishReasonName(FinishReason reason);

struct SampleUsage {
  FinishReason finish = FinishReason::kNone;
  uint32_t generated_tokens = 0;
  bool operator==(const SampleUsage&) const = default;
};

struct Usage {
  std::string worker;
  FinishReason finish = FinishReason::kNone;  // of several samples: kLength when one was cut short
  uint32_t prompt_tokens = 0;                 // cached + computed
  uint32_t cached_tokens = 0;                 // rows read from units (of any source)
  uint32_t reused_tokens = 0;     // rows of units that were not encoded for this request
  uint32_t computed_tokens = 0;   // new tokens of the plan
  uint32_t encoded_tokens = 0;    // context and own tokens run to encode missing units
  uint32_t generated_tokens = 0;  // of all samples
  double queue_ms = 0;
  double acquire_ms = 0;  // loading and encoding units
  double ttft_ms = 0;     // from the worker's receipt to the first token
  double total_ms = 0;
  Repair repair = Repair::kNone;
  uint32_t linked_tokens = 0;      // k of Repair::kLinked, else 0
  uint32_t recomputed_tokens = 0;  // of computed_tokens, those that stand in imported units
  std::vector<UnitUsage> units;
  std::vector<SampleUsage> samples;  // by index; empty when no worker ran the request
  bool operator==(const Usage&) const = default;
};

}  // namespace promptcache
