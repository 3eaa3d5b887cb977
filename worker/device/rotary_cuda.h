// The CUDA side of rotary.h. In a build without CUDA the functions throw c10::Error; no tensor can
// be on such a device then, because ParseDevice refuses it.
#pragma once

#include <tuple>

#include "worker/device/rotary.h"

namespace promptcache {

// cos and sin of the angles of positions[r] - shifts[s], [shifts, rows, frequencies] on
// options.device(), computed in double on the device; fp64 when options say so, else fp32.
std::tuple<at::Tensor, at::Tensor> CudaRotaryTable(const RotaryParameters& parameters,
                                                   std::span<const Position> positions,
                                                   std::span<const Position> shifts,
                                                   at::TensorOptions options);

// Rotate() for tensors on a CUDA device: fp32, bf16, fp16 or fp64 with a table on the same device.
void CudaRotate(const at::Tensor& in, const RotaryRows& rows, const at::Tensor& out, double scale);

}  // namespace promptcache
