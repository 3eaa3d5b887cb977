// What a step reads besides the keys and values of its own sequence.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/types.h"

namespace promptcache {

// Rows of a unit that a step reads where they lie. Row r of the unit sits at target position
// local position(r) + shift; the model rotates the query by its position minus `shift` (methods:
// RoPE composes, R(p_q)^T R(p_k) depends on p_q - p_k only).
struct KeyRange {
  const at::Tensor* kv = nullptr;  // [layers, 2, kv_heads, tokens, head_dim] compute dtype, device
  int64_t first_row = 0;
  int64_t rows = 0;
  Position shift = 0;
  // The rows are visible to the step's tokens [first_query, end): those at larger positions.
  int64_t first_query = 0;
};

}  // namespace promptcache
