#include <ATen/ATen.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>

#include <algorithm>
#include <optional>

#include "common/thread_team.h"
#include "worker/attention/sequence_kernel.h"
#include "worker/device/cpu_kernels.h"

namespace promptcache {
namespace {

// The queries [first_query, queries) turned by one shift, made anew in every layer.
struct TurnedQueries {
  int64_t shift = 0;
  int64_t first_query = 0;
  at::Tensor q;  // [heads, queries - first_query, head_dim] compute dtype cpu
};

class PieceKernel : public SequenceKernel {
 public:
  PieceKernel(const AttentionOptions& options, const AttentionSequence& sequence)
      : SequenceKernel(options, sequence, kGatherBelow) {
    for (const Piece& piece : pieces_.list) {
      turned_of_.push_back(TurnedFor(piece));
      biases_.push_back(has_distances() ? std::optional(Bias(piece)) : std::nullopt);
    }
  }

  void Run(int64_t layer, const at::Tensor& q, const at::Tensor& out) override {
    ParallelFor(static_cast<int64_t>(turned_.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const TurnedQueries& t = turned_[i];
        Rotate(q.narrow(0, t.first_query, queries_ - t.first_query),
               {.table = table_.get(), .shift = t.shift, .first_row = t.first_query},
               t.q.transpose(0, 1));
      }
    });
    std::vector<at::Tensor> alive;
    std::vector<cpu::PartialOutput> parts;
    for (size_t i = 0; i < pieces_.list.size(); ++i) {
      parts.push_back(Attend(layer, i, alive));
    }
    Merge(parts, out);
  }

 private:
  size_t TurnedFor(const Piece& piece) {
    for (size_t i = 0; i < turned_.size(); ++i) {
      if (turned_[i].shift == piece.shift && turned_[i].first_query == piece.first_query) return i;
    }
    const int64_t rows = queries_ - piece.first_query;
    turned_.push_back({piece.shift, piece.first_query,
                       at::empty({shape_.heads, rows, shape_.head_dim}, own_.options())});
    return turned_.size() - 1;
  }

  // The operator has no notion of grouped queries here: the query heads of a KV head are folded
  // into rows; where a mask or a bias tells rows apart, they become heads that share keys with
  // stride 0.
  cpu::PartialOutput Attend(int64_t layer, size_t index, std::vector<at::Tensor>& alive) const {
    const Piece& piece = pieces_.list[index];
    const at::Tensor& turned = turned_[turned_of_[index]].q;
    const bool folded = !piece.causal && !biases_[index];
    const int64_t dim = shape_.head_dim, kv_heads = shape_.kv_heads;
    const int64_t rows = queries_ - piece.first_query;
    const int64_t head = piece.kv.stride(2);
    const int64_t keys =
        piece.kv.storage_offset() + layer * piece.kv.stride(0) + piece.first_row * dim;
    const std::vector<int64_t> sizes =
        folded ? std::vector<int64_t>{1, kv_heads, piece.rows, dim}
               : std::vector<int64_t>{kv_heads, group(), piece.rows, dim};
    const std::vector<int64_t> strides =
        folded ? std::vector<int64_t>{0, head, dim, 1} : std::vector<int64_t>{head, 0, dim, 1};
    const at::Tensor k = piece.kv.as_strided(sizes, strides, keys);
    const at::Tensor v = piece.kv.as_strided(sizes, strides, keys + piece.kv.stride(1));
    const at::Tensor q = folded ? turned.view({1, kv_heads, group() * rows, dim})
                                : turned.view({kv_heads, group(), rows, dim});
    auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, piece.causal,
                                                                      biases_[index], scale_);
    alive.push_back(out);
    alive.push_back(lse);
    cpu::PartialOutput part{.out = out.const_data_ptr(),
                            .lse = lse.const_data_ptr<float>(),
                            .first_query = piece.first_query};
    const int kv_dim = folded ? 1 : 0;
    part.out_kv = out.stride(kv_dim), part.lse_kv = lse.stride(kv_dim);
    part.out_row = out.stride(2), part.lse_row = lse.stride(2);
    part.out_group = folded ? rows * part.out_row : out.stride(1);
    part.lse_group = folded ? rows * part.lse_row : lse.stride(1);
    return part;
  }

  void Merge(const std::vector<cpu::PartialOutput>& parts, const at::Tensor& out) const {
    cpu::MergeArgs args;
    args.parts = parts.data(), args.part_count = static_cast<int64_t>(parts.size());
    args.kv_heads = shape_.kv_heads, args.group = group(), args.dim = shape_.head_dim;
    args.out = out.mutable_data_ptr(), args.out_row = out.stride(0);
    args.element = out.scalar_type() == at::kBFloat16 ? cpu::Element::kBf16 : cpu::Element::kFloat;
    ParallelFor(queries_, 16, [&](int64_t begin, int64_t end) {
      std::vector<float> weights(parts.size());
      cpu::MergeArgs rows = args;
      rows.first_query = begin, rows.last_query = end;
      rows.weights = weights.data();
      cpu::BestKernels().merge(rows);
    });
  }

  std::vector<TurnedQueries> turned_;
  std::vector<size_t> turned_of_;                  // for each piece
  std::vector<std::optional<at::Tensor>> biases_;  // for each piece
};

}  // namespace

std::unique_ptr<SequenceKernel> MakePieceKernel(const AttentionOptions& options,
                                                const AttentionSequence& sequence) {
  return std::make_unique<PieceKernel>(options, sequence);
}

}  // namespace promptcache
