// Linear layers in bf16 on the CPU, on weights in panels (cpu::LinearArgs).
#pragma once

#include <ATen/core/Tensor.h>

namespace promptcache {

class PanelLinear {
 public:
  // [out, in] bf16 cpu, copied; [out] of any dtype or undefined.
  PanelLinear(const at::Tensor& weight, const at::Tensor& bias);

  // x [rows, in] bf16; returns x W^T + b, [rows, out] of `dtype`, bf16 or fp32. No bit of a row
  // depends on the other rows or on the number of threads.
  at::Tensor Apply(const at::Tensor& x, at::ScalarType dtype) const;

 private:
  int64_t out_ = 0;
  at::Tensor panels_;  // [ceil(out / 32), ceil(in / 2), 32, 2] bf16 cpu, zero beyond out and in
  at::Tensor bias_;    // [out] fp32, or undefined
};

}  // namespace promptcache
