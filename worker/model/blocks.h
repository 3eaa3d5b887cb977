// Building blocks that architectures share. Device-agnostic; on the CPU the element-wise ones are
// single fused passes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/formats/model_config.h"

namespace promptcache {

// y = x W^T + b. On a CPU with native bf16 the weight is kept in the layout its kernel wants.
class Linear {
 public:
  Linear() = default;
  // [out, in] and, where there is one, [out]; compute dtype, device.
  explicit Linear(at::Tensor weight, at::Tensor bias = {});

  at::Tensor Apply(const at::Tensor& x) const;  // [rows, in] -> [rows, out]

 private:
  at::Tensor weight_;
  at::Tensor packed_;  // undefined where the plain layout is used
  at::Tensor bias_;    // undefined where there is none
};

// kRms: y = x / sqrt(mean(x^2) + epsilon) * weight (arXiv 1910.07467).
// kLayer: y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias (arXiv 1607.06450).
class Norm {
 public:
  Norm() = default;
  // [hidden] fp32, device; bias undefined where there is none, and with kRms.
  Norm(NormKind kind, double epsilon, at::Tensor weight, at::Tensor bias);

  // x [rows, hidden] fp32; returns the normalised rows in `dtype`.
  at::Tensor Apply(const at::Tensor& x, at::ScalarType dtype) const;
  // x += delta [rows, hidden] compute dtype, in place, then Apply in delta's dtype.
  at::Tensor AddAndApply(const at::Tensor& x, const at::Tensor& delta) const;

 private:
  at::Tensor Run(const at::Tensor& x, const at::Tensor* delta, at::ScalarType dtype) const;
  at::Tensor RunRmsOnCpu(const at::Tensor& x, const at::Tensor* delta, at::ScalarType dtype) const;

  NormKind kind_ = NormKind::kRms;
  double epsilon_ = 0;
  at::Tensor weight_, bias_;
};

// silu(gate) * up of [rows, 2 * dim] = (gate, up); returns [rows, dim].
at::Tensor Swiglu(const at::Tensor& gate_up);

}  // namespace promptcache
