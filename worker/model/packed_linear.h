// Linear layers on weights that oneDNN has laid out for its kernels.
#pragma once

#include <ATen/core/Tensor.h>

namespace promptcache {

// The weight [out, in] in oneDNN's layout, or an undefined tensor where that brings nothing: on
// other devices, in fp32, without AMX, or when this LibTorch lacks the operators.
at::Tensor PackLinear(const at::Tensor& weight);

// x [rows, in] times the transpose of a weight from PackLinear, plus `bias` [out] where it is
// defined.
at::Tensor ApplyPackedLinear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias);

}  // namespace promptcache
