#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "worker/attention/sequence_kernel.h"

namespace promptcache {
namespace {

constexpr int64_t kMaxScores = int64_t{1} << 25;  // elements of a score matrix held at once

class PortableKernel : public SequenceKernel {
 public:
  PortableKernel(const AttentionOptions& options, const AttentionSequence& sequence)
      : SequenceKernel(options, sequence, kGatherBelow),
        accumulate_(own_.scalar_type() == at::kDouble ? at::kDouble : at::kFloat) {}

  void Run(int64_t layer, const at::Tensor& q, const at::Tensor& out) override {
    const auto options = q.options().dtype(accumulate_);
    sum_ = at::zeros({shape_.kv_heads, group(), queries_, shape_.head_dim}, options);
    lse_ = at::full({shape_.kv_heads, group(), queries_, 1},
                    -std::numeric_limits<double>::infinity(), options);
    for (const Piece& piece : pieces_.list) AddPiece(layer, q, piece);
    out.view({queries_, shape_.kv_heads, group(), shape_.head_dim})
        .copy_(sum_.permute({2, 0, 1, 3}));
  }

 private:
  void AddPiece(int64_t layer, const at::Tensor& q, const Piece& piece) {
    const int64_t tile = std::max<int64_t>(1, kMaxScores / (shape_.heads * piece.rows));
    for (int64_t first = piece.first_query; first < queries_; first += tile) {
      AddTile(layer, q, piece, first, std::min(tile, queries_ - first));
    }
  }

  // Queries [first, first + count) against the piece's rows that they see.
  void AddTile(int64_t layer, const at::Tensor& q, const Piece& piece, int64_t first,
               int64_t count) {
    const int64_t rows = piece.causal ? first + count : piece.rows;
    const at::Tensor kv =
        piece.kv.select(0, layer).narrow(2, piece.first_row, rows).to(accumulate_);
    at::Tensor turned = at::empty({shape_.heads, count, shape_.head_dim}, sum_.options());
    Rotate(q.narrow(0, first, count).to(accumulate_),
           {.table = table_.get(), .shift = piece.shift, .first_row = first},
           turned.transpose(0, 1), scale_);
    turned = turned.view({shape_.kv_heads, -1, count, shape_.head_dim});
    at::Tensor scores = at::matmul(turned, kv[0].unsqueeze(1).transpose(2, 3));
    if (has_distances()) scores += Bias(piece).narrow(-1, 0, rows);
    if (piece.causal) {
      const at::Tensor later = at::ones({count, rows}, scores.options().dtype(at::kBool));
      scores.masked_fill_(later.triu(first + 1), -std::numeric_limits<double>::infinity());
    }
    const at::Tensor lse = scores.logsumexp(-1, /*keepdim=*/true);
    const at::Tensor partial = at::matmul((scores - lse).exp(), kv[1].unsqueeze(1));
    at::Tensor sum = sum_.narrow(2, first, count), total = lse_.narrow(2, first, count);
    const at::Tensor merged = at::logaddexp(total, lse);
    sum.copy_(sum * (total - merged).exp() + partial * (lse - merged).exp());
    total.copy_(merged);
  }

  at::ScalarType accumulate_;
  at::Tensor sum_;  // [kv_heads, group, queries, head_dim] accumulate_
  at::Tensor lse_;  // [kv_heads, group, queries, 1]
};

}  // namespace

std::unique_ptr<SequenceKernel> MakePortableKernel(const AttentionOptions& options,
                                                   const AttentionSequence& sequence) {
  return std::make_unique<PortableKernel>(options, sequence);
}

}  // namespace promptcache
