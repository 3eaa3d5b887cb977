// Building blocks that architectures share. Device-agnostic; on the CPU the element-wise ones are
// single fused passes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "common/formats/model_config.h"
#include "worker/model/panel_linear.h"

namespace promptcache {

// y = x W^T + b. The weight is kept once, in the layout its kernel wants: bf16 on the CPU in
// panels, or as oneDNN lays it out where it multiplies in tiles (AMX); plain elsewhere.
class Linear {
 public:
  Linear() = default;
  // [out, in] and, where there is one, [out]; compute dtype, device.
  explicit Linear(at::Tensor weight, at::Tensor bias = {});

  at::Tensor Apply(const at::Tensor& x) const;  // [rows, in] -> [rows, out] of x's dtype
  // The same in fp32; in panels without a rounding to bf16 on the way.
  at::Tensor ApplyToFloat(const at::Tensor& x) const;

 private:
  at::Tensor weight_;   // undefined with panels_
  at::Tensor bias_;     // undefined where there is none, and with panels_
  bool tiled_ = false;  // weight_ is in oneDNN's layout
  std::optional<PanelLinear> panels_;
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
