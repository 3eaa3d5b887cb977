// How positions enter the numbers of a model: rotary embedding or ALiBi.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct PositionSettings {
  // RoPE (arXiv 2104.09864): dimensions i and i + dim / 2 of a head turn by p * frequencies[i].
  // Empty with ALiBi.
  std::vector<double> frequencies;  // [dim / 2]
  double magnitude = 1;             // cos and sin are multiplied by it (YaRN, arXiv 2309.00071)
  // ALiBi (arXiv 2108.12409): slopes[head] * (p_key - p_query) is added to a score. Empty with
  // RoPE.
  std::vector<double> slopes;  // [heads]
  // Positions from here on would turn by other angles; 0: none do. Units know one regime only.
  int64_t regime_end = 0;
  std::string text;  // part of the identity: "rope theta=10000 dim=64 scaling=none layout=half"

  int64_t rotary_dim() const { return 2 * static_cast<int64_t>(frequencies.size()); }
};

enum class RopeScaling : uint8_t {
  kNone,
  kLinear,   // positions divided by the factor
  kNtk,      // theta multiplied by factor^(dim / (dim - 2)), whatever the length
  kDynamic,  // none up to the original context; beyond it theta follows the length
  kYarn,     // arXiv 2309.00071, section 3.2 and 3.4
  kLlama3,   // Llama 3.1: low frequencies divided, those between blended
  kFactors   // each frequency divided by a factor of its own
};

struct RopeDesign {
  int64_t dim = 0;  // of a head that are turned, even
  double theta = 10000;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  double original_context = 0;                                 // dynamic, yarn, llama3
  double low_frequency_factor = 1, high_frequency_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;                        // yarn
  double attention_factor = 0;                                 // yarn; 0: 0.1 ln(factor) + 1
  bool truncate = true;         // yarn: whole dimensions bound the ramp
  std::vector<double> factors;  // [dim / 2]
};

// kInvalidArgument naming the number that makes no sense.
Result<PositionSettings> MakeRope(const RopeDesign& design);

// slope of head i: 2^(-bias_max * (i + 1) / n) for n heads that are a power of two; else those of
// the next lower power, then every other one of the next higher (MPT and Falcon agree). Multiplied
// by `scale`. kInvalidArgument unless bias_max and scale are positive.
Result<PositionSettings> MakeAlibi(int64_t heads, double bias_max, double scale);

}  // namespace promptcache
