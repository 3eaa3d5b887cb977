// What a model file decides of the identity of units: so much can be known without loading weights.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/formats/checkpoint.h"
#include "common/types.h"

namespace promptcache {

// Called with bytes done and in all while the weights are hashed.
using HashProgress = std::function<void(uint64_t done, uint64_t total)>;

// The identity of units that this build computes from the file in `dtype` ("fp32", "bf16"); the
// tokenizer's digest is left to the caller. Reads the whole file. kInvalidArgument for another
// dtype.
Result<Identity> IdentityOfModel(const Checkpoint& checkpoint, const std::string& dtype,
                                 const HashProgress& progress = nullptr);

// Of one token of a unit, in all layers.
Result<uint64_t> KvBytesPerToken(const ModelConfig& config, const std::string& dtype);

}  // namespace promptcache
