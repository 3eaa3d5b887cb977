// An encoded unit in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "common/types.h"
#include "worker/attention/layer_arrival.h"
#include "worker/kv/kept_unit.h"

namespace promptcache {

// Immutable and shared read-only between requests; alive while anyone holds it. Only the layers
// that have arrived may be read, and nobody writes to those.
struct Unit : KeptUnit {
  std::shared_ptr<const Recipe> recipe;
  at::Tensor kv;  // [layers, 2, kv_heads, rows, head_dim] compute dtype, device; contiguous
  std::vector<Position> positions;              // of its rows, the first own token at 0
  std::shared_ptr<const LayerArrival> arrival;  // of its layers; null: all are there
  double encode_seconds = 0;
};
using UnitPtr = std::shared_ptr<const Unit>;

}  // namespace promptcache
