// What a step reads besides the keys and values of its own sequence.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "common/types.h"
#include "worker/attention/layer_arrival.h"

namespace promptcache {

// Below this many rows an operator call costs more than copying the rows once per step: all layers
// of them, before the first is computed.
inline constexpr int64_t kGatherBelow = 64;

// Rows of a unit that a step reads where they lie. Row r of the unit sits at target position
// local position(r) + shift. With RoPE the model rotates the query by its position minus `shift`
// (R(p_q)^T R(p_k) depends on p_q - p_k only); with ALiBi keys carry no position and scores get a
// bias by distance.
struct KeyRange {
  const at::Tensor* kv = nullptr;  // [layers, 2, kv_heads, tokens, head_dim] compute dtype, device
  int64_t first_row = 0;
  int64_t rows = 0;
  Position shift = 0;
  // The rows are visible to the step's tokens [first_query, end): those at larger positions.
  int64_t first_query = 0;
  std::span<const Position> positions;    // local, of every row of `kv`; ALiBi reads them
  const LayerArrival* arrival = nullptr;  // of `kv`; null: every layer is there
};

}  // namespace promptcache
