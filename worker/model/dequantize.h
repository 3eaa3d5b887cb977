// GGUF tensors to plain numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/formats/gguf.h"
#include "common/formats/stored_tensor.h"
#include "common/status.h"

namespace promptcache {

// The tensor as fp32 on the cpu, slowest dimension first: a matrix becomes [out, in].
// F32, F16, BF16, Q4_0, Q4_1, Q8_0; kUnimplemented for other types, kInvalidArgument when the bytes
// do not hold what the dimensions say. Both name the tensor.
Result<at::Tensor> Dequantize(const GgufTensor& tensor);
// The same in fp32 or bf16; kDataLoss when a value is not finite.
Result<at::Tensor> Dequantize(const StoredTensor& tensor, at::ScalarType dtype);

}  // namespace promptcache
