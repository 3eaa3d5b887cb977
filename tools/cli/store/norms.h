// How large the keys and values of a blob's layers are. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cachestore/format/blob.h"

namespace promptcache {

// Means of the Euclidean norms of the vectors of all heads and tokens.
struct LayerNorms {
  double key = 0;
  double value = 0;
  bool operator==(const LayerNorms&) const = default;
};

// `layer` in the layout `lkhtd-v1`. REQUIRES: it is BlobSegmentBytes(dtype, shape) long.
LayerNorms NormsOf(BlobDtype dtype, const BlobShape& shape, std::span<const uint8_t> layer);

// A line a layer with two bars, each as long as the share of the largest of its kind.
std::string RenderNorms(const std::vector<LayerNorms>& layers);

}  // namespace promptcache
