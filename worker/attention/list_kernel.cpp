#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/thread_team.h"
#include "worker/attention/sequence_kernel.h"
#include "worker/device/cpu_kernels.h"

namespace promptcache {
namespace {

// Keys of one task. A constant, so that the grouping of sums does not depend on the thread count.
constexpr int64_t kKeysPerTask = 512;

// Consecutive rows of one piece.
struct Stretch {
  size_t piece = 0;
  int64_t first_row = 0;  // within the piece
  int64_t rows = 0;
};

// Scratch of one thread: where each key of a task lies.
struct KeyList {
  std::vector<const void*> keys, values;
  std::vector<int32_t> shifts, first_queries;
  std::vector<float> distances;  // ALiBi only
};

class ListKernel : public SequenceKernel {
 public:
  ListKernel(const AttentionOptions& options, const AttentionSequence& sequence)
      : SequenceKernel(options, sequence, /*gather_below=*/0),
        rows_(shape_.heads / shape_.kv_heads * queries_) {
    Split();
    const auto fp32 = at::TensorOptions().dtype(at::kFloat);
    const int64_t shifts = static_cast<int64_t>(pieces_.shifts.size());
    const int64_t tasks = shape_.kv_heads * static_cast<int64_t>(chunks_.size());
    turned_ = at::empty({shifts, shape_.heads, queries_, shape_.head_dim}, fp32);
    partial_ = at::empty({tasks, rows_, shape_.head_dim}, fp32);
    max_ = at::empty({tasks, rows_}, fp32);
    sum_ = at::empty({tasks, rows_}, fp32);
    merged_ = at::empty({queries_, shape_.heads * shape_.head_dim}, fp32);
  }

  void Run(int64_t layer, const at::Tensor& q, const at::Tensor& out) override {
    const int64_t grain = std::max<int64_t>(1, 65536 / (q.numel() + 1));
    ParallelFor(turned_.size(0), grain, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        Rotate(q, {.table = table_.get(), .shift = s}, turned_.select(0, s).transpose(0, 1),
               scale_);
      }
    });
    ParallelFor(partial_.size(0), 1, [&](int64_t begin, int64_t end) {
      KeyList list;
      for (int64_t task = begin; task < end; ++task) RunTask(layer, task, list);
    });
    for (int64_t kv = 0; kv < shape_.kv_heads; ++kv) MergeHead(kv);
    out.copy_(merged_);
  }

 private:
  void Split() {
    int64_t total = 0;
    for (const Piece& piece : pieces_.list) total += piece.rows;
    const int64_t count = (total + kKeysPerTask - 1) / kKeysPerTask;
    const int64_t size = (total + count - 1) / count;
    int64_t room = 0;
    for (size_t i = 0; i < pieces_.list.size(); ++i) {
      for (int64_t row = 0; row < pieces_.list[i].rows;) {
        if (room == 0) chunks_.emplace_back(), room = size;
        const int64_t rows = std::min(room, pieces_.list[i].rows - row);
        chunks_.back().push_back({i, row, rows});
        row += rows, room -= rows;
      }
    }
  }

  void RunTask(int64_t layer, int64_t task, KeyList& list) {
    const int64_t kv = task % shape_.kv_heads;
    list.keys.clear(), list.values.clear(), list.shifts.clear(), list.first_queries.clear();
    list.distances.clear();
    for (const Stretch& stretch : chunks_[task / shape_.kv_heads]) {
      AddStretch(layer, kv, stretch, list);
    }
    cpu::ListArgs args;
    args.query = turned_.const_data_ptr<float>() + kv * rows_ * shape_.head_dim;
    args.shift_stride = shape_.heads * queries_ * shape_.head_dim;
    args.rows = rows_, args.queries = queries_, args.dim = shape_.head_dim;
    args.keys = list.keys.data(), args.values = list.values.data();
    args.shifts = list.shifts.data(), args.first_queries = list.first_queries.data();
    args.count = static_cast<int64_t>(list.keys.size());
    args.element = own_.scalar_type() == at::kBFloat16 ? cpu::Element::kBf16 : cpu::Element::kFloat;
    if (has_distances()) {
      args.distances = list.distances.data();
      args.slopes = slopes_.const_data_ptr<float>() + kv * group();
    }
    args.accumulator = partial_.mutable_data_ptr<float>() + task * rows_ * shape_.head_dim;
    args.max = max_.mutable_data_ptr<float>() + task * rows_;
    args.sum = sum_.mutable_data_ptr<float>() + task * rows_;
    cpu::BestKernels().list(args);
  }

  void AddStretch(int64_t layer, int64_t kv, const Stretch& stretch, KeyList& list) const {
    const Piece& piece = pieces_.list[stretch.piece];
    const int64_t bytes = piece.kv.element_size();
    const char* key = static_cast<const char*>(piece.kv.const_data_ptr()) +
                      bytes * (layer * piece.kv.stride(0) + kv * piece.kv.stride(2) +
                               (piece.first_row + stretch.first_row) * piece.kv.stride(3));
    const char* value = key + bytes * piece.kv.stride(1);
    const int64_t step = bytes * piece.kv.stride(3);
    for (int64_t row = 0; row < stretch.rows; ++row) {
      list.keys.push_back(key + row * step);
      list.values.push_back(value + row * step);
      list.shifts.push_back(static_cast<int32_t>(piece.shift));
      list.first_queries.push_back(
          static_cast<int32_t>(piece.causal ? stretch.first_row + row : piece.first_query));
    }
    if (!has_distances()) return;
    const float* distances = piece.distances.const_data_ptr<float>() + stretch.first_row;
    list.distances.insert(list.distances.end(), distances, distances + stretch.rows);
  }

  // The tasks of one KV head, merged in the order of their keys. Every query sees its own key, so
  // the largest maximum is finite.
  void MergeHead(int64_t kv) {
    const int64_t dim = shape_.head_dim, chunks = static_cast<int64_t>(chunks_.size());
    const float* partial = partial_.const_data_ptr<float>();
    const float* max = max_.const_data_ptr<float>();
    const float* sum = sum_.const_data_ptr<float>();
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t head = kv * (rows_ / queries_) + r / queries_;
      float* out = merged_.mutable_data_ptr<float>() + ((r % queries_) * shape_.heads + head) * dim;
      float top = -INFINITY, total = 0;
      for (int64_t c = 0; c < chunks; ++c) top = std::max(top, max[Row(c, kv, r)]);
      std::fill_n(out, dim, 0.0f);
      for (int64_t c = 0; c < chunks; ++c) {
        const float weight = std::exp(max[Row(c, kv, r)] - top);
        total += weight * sum[Row(c, kv, r)];
        const float* x = partial + Row(c, kv, r) * dim;
        for (int64_t i = 0; i < dim; ++i) out[i] += weight * x[i];
      }
      for (int64_t i = 0; i < dim; ++i) out[i] /= total;
    }
  }

  int64_t Row(int64_t chunk, int64_t kv, int64_t row) const {
    return (chunk * shape_.kv_heads + kv) * rows_ + row;
  }

  int64_t rows_;  // query rows of a KV head: its query heads times queries
  std::vector<std::vector<Stretch>> chunks_;
  at::Tensor turned_;     // [shifts, heads, queries, head_dim] fp32 cpu, scaled
  at::Tensor partial_;    // [tasks, rows, head_dim] fp32 cpu
  at::Tensor max_, sum_;  // [tasks, rows] fp32 cpu
  at::Tensor merged_;     // [queries, heads * head_dim] fp32 cpu
};

}  // namespace

std::unique_ptr<SequenceKernel> MakeListKernel(const AttentionOptions& options,
                                               const AttentionSequence& sequence) {
  return std::make_unique<ListKernel>(options, sequence);
}

}  // namespace promptcache
