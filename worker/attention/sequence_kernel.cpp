#include "worker/attention/sequence_kernel.h"

#include <ATen/ATen.h>

#include <cmath>

#include "worker/device/cpu_kernels.h"

namespace promptcache {
namespace {

bool HasCpuKernels(const at::Tensor& own) {
  return own.is_cpu() && (own.scalar_type() == at::kFloat || own.scalar_type() == at::kBFloat16);
}

}  // namespace

SequenceKernel::SequenceKernel(const AttentionOptions& options, const AttentionSequence& sequence,
                               int64_t gather_below)
    : shape_(options.shape),
      rotary_(options.rotary),
      own_(*sequence.own),
      past_(sequence.past),
      queries_(static_cast<int64_t>(sequence.positions.size())),
      pieces_(JoinRanges(sequence.units, queries_)),
      scale_(options.scale > 0 ? options.scale
                               : 1.0 / std::sqrt(static_cast<double>(options.shape.head_dim))) {
  AddOwn({own_, past_, queries_, sequence.own_positions}, pieces_);
  if (!options.slopes.empty()) {
    slopes_ =
        at::tensor(at::ArrayRef<double>(options.slopes.data(), options.slopes.size()), at::kDouble)
            .to(at::kFloat);
    MeasureDistances(sequence.positions.back(), pieces_);
  }
  if (gather_below > 0) GatherSmall(rotary_, gather_below, pieces_);
  table_ =
      std::make_unique<RotaryTable>(rotary_, sequence.positions, pieces_.shifts, own_.options());
}

void SequenceKernel::Append(int64_t layer, const at::Tensor& k, const at::Tensor& v) const {
  const at::Tensor rows = own_.select(0, layer).narrow(2, past_, queries_);
  Rotate(k, {.table = table_.get()}, rows.select(0, 0).transpose(0, 1));
  rows.select(0, 1).transpose(0, 1).copy_(v);
}

at::Tensor SequenceKernel::Bias(const Piece& piece) const {
  const at::Tensor slopes = slopes_.view({shape_.kv_heads, group(), 1, 1});
  return (slopes * piece.distances).to(own_.device());
}

bool ListKernelFits(const AttentionShape& shape, const at::Tensor& own) {
  return HasCpuKernels(own) && shape.head_dim % 16 == 0;
}

bool PieceKernelFits(const AttentionShape& shape, const at::Tensor& own) {
  return HasCpuKernels(own) && shape.head_dim <= cpu::kMaxHeadDim;
}

}  // namespace promptcache
