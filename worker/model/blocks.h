// Building blocks that architectures share. Device-agnostic; on the CPU the element-wise ones are
// single fused passes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace promptcache {

// y = x W^T. On a CPU with native bf16 the weight is kept in the layout its kernel wants.
class Linear {
 public:
  Linear() = default;
  explicit Linear(at::Tensor weight);  // [out, in] compute dtype, device

  at::Tensor Apply(const at::Tensor& x) const;  // [rows, in] -> [rows, out]

 private:
  at::Tensor weight_;
  at::Tensor packed_;  // undefined where the plain layout is used
};

// y = x / sqrt(mean(x^2) + epsilon) * weight (arXiv 1910.07467).
class RmsNorm {
 public:
  RmsNorm() = default;
  RmsNorm(at::Tensor weight, double epsilon);  // [hidden] fp32, device

  // x [rows, hidden] fp32; returns the normalised rows in `dtype`.
  at::Tensor Apply(const at::Tensor& x, at::ScalarType dtype) const;
  // x += delta [rows, hidden] compute dtype, in place, then Apply in delta's dtype.
  at::Tensor AddAndApply(const at::Tensor& x, const at::Tensor& delta) const;

 private:
  at::Tensor Run(const at::Tensor& x, const at::Tensor* delta, at::ScalarType dtype) const;

  at::Tensor weight_;
  double epsilon_ = 0;
};

// silu(gate) * up of [rows, 2 * dim] = (gate, up); returns [rows, dim].
at::Tensor Swiglu(const at::Tensor& gate_up);

}  // namespace promptcache
