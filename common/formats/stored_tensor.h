// A tensor where it lies in a model file, whatever the file's format.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/formats/gguf.h"

namespace promptcache {

struct StoredTensor {
  std::string name;  // blk.3.attn_q.weight: as GGUF names tensors
  GgufTensorType type = GgufTensorType::kF32;
  std::vector<int64_t> sizes;      // slowest first: [out, in] for a matrix
  std::span<const uint8_t> bytes;  // exactly what type and sizes need; valid as long as the file

  int64_t elements() const;
};

// "[49152, 576]"
std::string SizesText(std::span<const int64_t> sizes);

}  // namespace promptcache
