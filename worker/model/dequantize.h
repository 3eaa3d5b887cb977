// Stored tensors to plain numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/formats/gguf.h"
#include "common/formats/stored_tensor.h"
#include "common/status.h"

namespace promptcache {

// The tensor in fp32 or bf16 on the cpu, with the sizes it is stored with, of any type of
// GgufTensorType; made part by part, so that no copy in fp32 of a bf16 tensor ever exists.
// kUnimplemented for a type that is not known, kInvalidArgument when the bytes do not hold what the
// sizes say, kDataLoss when a value is not finite (or too large for bf16). All name the tensor.
Result<at::Tensor> Dequantize(const StoredTensor& tensor, at::ScalarType dtype);

}  // namespace promptcache
