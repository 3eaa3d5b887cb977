// What a model file decides of the identity of units: so much can be known without loading weights.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/formats/gguf.h"
#include "common/types.h"

namespace promptcache {

// How positions enter the numbers (RoPE).
struct PositionSettings {
  int64_t dim = 0;  // of a head that is rotated
  double theta = 10000;
  double scale = 1;  // positions are multiplied by it
};

// Of an attention head: "attention.key_length", or the width over the number of heads.
Result<int64_t> HeadDimension(const GgufFile& file, const std::string& architecture);
// kUnimplemented for scalings other than none and linear; kInvalidArgument names file and key.
Result<PositionSettings> ReadPositionSettings(const GgufFile& file,
                                              const std::string& architecture);

// Called with bytes done and in all while the weights are hashed.
using HashProgress = std::function<void(uint64_t done, uint64_t total)>;

// The identity of units that this build computes from the file in `dtype` ("fp32", "bf16"); the
// tokenizer's digest is left to the caller. Reads the whole file. kInvalidArgument for another
// dtype.
Result<Identity> IdentityOfModel(const GgufFile& file, const std::string& dtype,
                                 const HashProgress& progress = nullptr);

// Of one token of a unit, in all layers.
Result<uint64_t> KvBytesPerToken(const std::string& path, const std::string& dtype);

}  // namespace promptcache
