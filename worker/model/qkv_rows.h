// The projection of queries, keys and values, brought from the file's order of rows into ours.
#pragma once

#include <string>

#include "worker/model/blocks.h"
#include "worker/model/source.h"

namespace promptcache {

// Rows: all query heads, all key heads, all value heads; within a query or key head the dimensions
// i and i + rotary_dim / 2 turn together. `prefix` "blk.3." is that of the layer's tensors.
Result<Linear> LoadQkv(ModelSource& source, const std::string& prefix);

}  // namespace promptcache
