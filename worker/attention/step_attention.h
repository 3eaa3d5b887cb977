// Attention of one step over lists of segments: every sequence's queries against units that are
// read where they lie and against the sequence's own keys and values, merged by log-sum-exp.
//
// softmax over a union of key sets s: o = sum_s exp(lse_s - lse) o_s, lse = log sum_s exp(lse_s).
// With RoPE a unit's keys are rotated to unit-local positions; the query turns by its position
// minus the unit's shift instead (R(a) R(b) = R(a + b)). With ALiBi slope * (p_key - p_query) is
// added to each score. Rows that only later tokens of the step may see are met by a suffix of the
// queries, so that no mask is needed but the square causal one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "worker/attention/key_range.h"
#include "worker/device/rotary.h"

namespace promptcache {

struct AttentionShape {
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;
};

// How a sequence is computed.
enum class AttentionKernel : uint8_t {
  kAuto,     // the fastest for device, dtype and number of queries
  kPieces,   // an operator call a piece (CPU, fp32 and bf16), partial results merged
  kList,     // one pass over all keys in fp32 (CPU, fp32 and bf16, head_dim a multiple of 16)
  kPortable  // matrix products and softmax of LibTorch: any device and dtype
};

struct AttentionSequence {
  std::span<const Position> positions;  // of the step's tokens, strictly ascending
  std::span<const KeyRange> units;
  const at::Tensor* own = nullptr;  // [layers, 2, kv_heads, capacity, head_dim]
  int64_t past = 0;                 // rows of `own` that hold earlier tokens
  // [past + the step's tokens]: of the rows of `own`; ALiBi reads them.
  std::span<const Position> own_positions;
};

struct AttentionOptions {
  AttentionShape shape;
  RotaryParameters rotary;         // no frequencies: keys and queries do not turn
  std::span<const double> slopes;  // [heads] of ALiBi, or empty; outlives the step
  double scale = 0;                // of q k^T; 0: 1 / sqrt(head_dim)
  AttentionKernel kernel = AttentionKernel::kAuto;
};

class SequenceKernel;  // one sequence's way through a layer

// Made once per step; Run is called once per layer. One thread at a time. Throws what LibTorch
// throws. What `sequences` point to must outlive it.
class StepAttention {
 public:
  StepAttention(const AttentionOptions& options, std::span<const AttentionSequence> sequences);
  ~StepAttention();

  // q [tokens, heads, head_dim], k and v [tokens, kv_heads, head_dim], compute dtype, device, not
  // rotated, any strides but a dense last dimension; tokens of all sequences in order. Writes
  // rotated k and v to rows [past, past + its tokens) of each sequence's own tensor, then returns
  // the output [tokens, heads * head_dim].
  at::Tensor Run(int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

 private:
  AttentionOptions options_;
  std::vector<std::unique_ptr<SequenceKernel>> kernels_;
};

}  // namespace promptcache
