#include <ATen/ATen.h>

#include <algorithm>

#include "worker/model/model.h"

namespace promptcache {

uint64_t Model::kv_bytes_per_token() const {
  const ModelShape& of = shape();
  return static_cast<uint64_t>(2 * of.layers * of.kv_heads * of.head_dim) *
         kv_options().dtype().itemsize();
}

KvBuffer::KvBuffer(const ModelShape& shape, at::TensorOptions options, int64_t capacity) {
  kv_ = at::empty({shape.layers, 2, shape.kv_heads, std::max<int64_t>(0, capacity), shape.head_dim},
                  options);
}

void KvBuffer::Reserve(int64_t rows) {
  TORCH_CHECK(kv_.defined(), "KvBuffer: made without a shape");
  if (rows <= kv_.size(3)) return;
  std::vector<int64_t> sizes = kv_.sizes().vec();
  sizes[3] = std::max(rows, 2 * kv_.size(3));
  const at::Tensor grown = at::empty(sizes, kv_.options());
  grown.narrow(3, 0, size()).copy_(kv_.narrow(3, 0, size()));
  kv_ = grown;
}

void KvBuffer::Grow(std::span<const Position> positions) {
  Reserve(size() + static_cast<int64_t>(positions.size()));
  positions_.insert(positions_.end(), positions.begin(), positions.end());
}

}  // namespace promptcache
