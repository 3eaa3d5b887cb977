// The types in which tensors are stored, block by block, as fp32.
#pragma once

#include <cstdint>

#include "common/formats/gguf.h"

namespace promptcache {

// Decodes `blocks` blocks (BlockOf) that lie one behind the other.
using BlockDecoder = void (*)(const uint8_t* bytes, int64_t blocks, float* out);

// nullptr for a type that is not known.
BlockDecoder BlockDecoderOf(GgufTensorType type);

}  // namespace promptcache
