#include "worker/attention/step_attention.h"

#include <ATen/ATen.h>

#include "worker/attention/sequence_kernel.h"

namespace promptcache {
namespace {

void CheckFits(const AttentionShape& shape, const at::Tensor& kv, int64_t rows) {
  TORCH_CHECK(kv.dim() == 5 && kv.size(1) == 2 && kv.size(2) == shape.kv_heads &&
                  kv.size(4) == shape.head_dim && rows >= 0 && rows <= kv.size(3) &&
                  kv.stride(4) == 1 && kv.stride(3) == shape.head_dim,
              "attention: keys and values of shape ", kv.sizes(), " where [layers, 2, ",
              shape.kv_heads, ", at least ", rows, ", ", shape.head_dim, "] is needed");
}

AttentionKernel Choose(const AttentionOptions& options, const AttentionSequence& sequence) {
  if (options.kernel != AttentionKernel::kAuto) return options.kernel;
  const auto queries = static_cast<int64_t>(sequence.positions.size());
  if (queries <= kMaxListQueries && ListKernelFits(options.shape, *sequence.own)) {
    return AttentionKernel::kList;
  }
  return PieceKernelFits(options.shape, *sequence.own) ? AttentionKernel::kPieces
                                                       : AttentionKernel::kPortable;
}

std::unique_ptr<SequenceKernel> Make(const AttentionOptions& options,
                                     const AttentionSequence& sequence) {
  CheckFits(options.shape, *sequence.own,
            sequence.past + static_cast<int64_t>(sequence.positions.size()));
  for (const KeyRange& range : sequence.units) {
    CheckFits(options.shape, *range.kv, range.first_row + range.rows);
    TORCH_CHECK(range.first_row >= 0 && range.rows >= 0, "attention: negative rows");
    TORCH_CHECK(range.kv->scalar_type() == sequence.own->scalar_type() &&
                    range.kv->device() == sequence.own->device(),
                "attention: a unit of ", range.kv->options(), " in a sequence of ",
                sequence.own->options());
  }
  switch (Choose(options, sequence)) {
    case AttentionKernel::kList:
      TORCH_CHECK(ListKernelFits(options.shape, *sequence.own), "attention: kList does not fit");
      return MakeListKernel(options, sequence);
    case AttentionKernel::kPieces:
      TORCH_CHECK(PieceKernelFits(options.shape, *sequence.own), "attention: kPieces does not fit");
      return MakePieceKernel(options, sequence);
    default:
      return MakePortableKernel(options, sequence);
  }
}

}  // namespace

StepAttention::StepAttention(const AttentionOptions& options,
                             std::span<const AttentionSequence> sequences)
    : options_(options) {
  for (const AttentionSequence& sequence : sequences) kernels_.push_back(Make(options, sequence));
}

StepAttention::~StepAttention() = default;

at::Tensor StepAttention::Run(int64_t layer, const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v) {
  const AttentionShape& shape = options_.shape;
  const at::Tensor out = at::empty({q.size(0), shape.heads * shape.head_dim}, q.options());
  int64_t first = 0;
  for (const auto& kernel : kernels_) {
    const int64_t rows = kernel->queries();
    kernel->Append(layer, k.narrow(0, first, rows), v.narrow(0, first, rows));
    kernel->Run(layer, q.narrow(0, first, rows), out.narrow(0, first, rows));
    first += rows;
  }
  TORCH_CHECK(first == q.size(0), "attention: ", q.size(0), " tokens for ", first, " positions");
  return out;
}

}  // namespace promptcache
