// The three ways of computing one sequence's attention. Internal to worker/attention.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "worker/attention/pieces.h"
#include "worker/attention/step_attention.h"

namespace promptcache {

// One sequence's part of a step. Keys and values of the step are in `own` before Run.
class SequenceKernel {
 public:
  // Gathers pieces shorter than `gather_below` first: angles are held for each shift that is left.
  SequenceKernel(const AttentionOptions& options, const AttentionSequence& sequence,
                 int64_t gather_below);
  virtual ~SequenceKernel() = default;

  int64_t queries() const { return queries_; }
  // Writes rotated keys and values of the step, both [queries, kv_heads, head_dim].
  void Append(int64_t layer, const at::Tensor& k, const at::Tensor& v) const;
  // q [queries, heads, head_dim] not rotated; out [queries, heads * head_dim].
  virtual void Run(int64_t layer, const at::Tensor& q, const at::Tensor& out) = 0;

 protected:
  int64_t group() const { return shape_.heads / shape_.kv_heads; }
  bool has_distances() const { return slopes_.defined(); }
  // What ALiBi adds to the scores of a piece's keys: [kv_heads, group, 1, rows] fp32, on the
  // device.
  at::Tensor Bias(const Piece& piece) const;

  AttentionShape shape_;
  RotaryParameters rotary_;
  at::Tensor slopes_;  // [heads] fp32 cpu; undefined without ALiBi
  at::Tensor own_;
  int64_t past_ = 0;
  int64_t queries_ = 0;
  Pieces pieces_;
  double scale_ = 0;
  std::unique_ptr<RotaryTable> table_;  // positions of the step for each of pieces_.shifts
};

// The largest number of queries for which kList wins over kPieces, by measurement
// (tools/bench/attention_bench.cpp).
constexpr int64_t kMaxListQueries = 8;

bool ListKernelFits(const AttentionShape& shape, const at::Tensor& own);
bool PieceKernelFits(const AttentionShape& shape, const at::Tensor& own);

std::unique_ptr<SequenceKernel> MakeListKernel(const AttentionOptions& options,
                                               const AttentionSequence& sequence);
std::unique_ptr<SequenceKernel> MakePieceKernel(const AttentionOptions& options,
                                                const AttentionSequence& sequence);
std::unique_ptr<SequenceKernel> MakePortableKernel(const AttentionOptions& options,
                                                   const AttentionSequence& sequence);

}  // namespace promptcache
