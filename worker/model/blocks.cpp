#include "worker/model/blocks.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/thread_team.h"
#include "worker/device/cpu_kernels.h"
#include "worker/model/packed_linear.h"

namespace promptcache {
namespace {

constexpr int64_t kElementsPerTask = 32768;

cpu::Element ElementOf(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? cpu::Element::kBf16 : cpu::Element::kFloat;
}

int64_t Grain(int64_t row) { return std::max<int64_t>(1, kElementsPerTask / row); }

}  // namespace

Linear::Linear(at::Tensor weight, at::Tensor bias) : bias_(std::move(bias)) {
  const at::Tensor packed = PackLinear(weight);
  tiled_ = packed.defined();
  if (tiled_ || !weight.is_cpu() || weight.scalar_type() != at::kBFloat16) {
    weight_ = tiled_ ? packed : std::move(weight);
    return;
  }
  panels_ = PanelLinear(weight, bias_);
  bias_ = at::Tensor();
}

at::Tensor Linear::Apply(const at::Tensor& x) const {
  if (panels_) return panels_->Apply(x, x.scalar_type());
  return tiled_ ? ApplyPackedLinear(x, weight_, bias_) : at::linear(x, weight_, bias_);
}

at::Tensor Linear::ApplyToFloat(const at::Tensor& x) const {
  return panels_ ? panels_->Apply(x, at::kFloat) : Apply(x).to(at::kFloat);
}

Norm::Norm(NormKind kind, double epsilon, at::Tensor weight, at::Tensor bias)
    : kind_(kind), epsilon_(epsilon), weight_(std::move(weight)), bias_(std::move(bias)) {}

at::Tensor Norm::Apply(const at::Tensor& x, at::ScalarType dtype) const {
  return Run(x, nullptr, dtype);
}

at::Tensor Norm::AddAndApply(const at::Tensor& x, const at::Tensor& delta) const {
  return Run(x, &delta, delta.scalar_type());
}

at::Tensor Norm::Run(const at::Tensor& x, const at::Tensor* delta, at::ScalarType dtype) const {
  if (kind_ == NormKind::kRms && x.is_cpu()) return RunRmsOnCpu(x, delta, dtype);
  if (delta != nullptr) x.add_(*delta);
  if (kind_ == NormKind::kLayer) {
    return at::layer_norm(x, {x.size(1)}, weight_, bias_, epsilon_).to(dtype);
  }
  const at::Tensor scale = (x.square().mean(-1, /*keepdim=*/true) + epsilon_).rsqrt();
  return (x * scale * weight_).to(dtype);
}

at::Tensor Norm::RunRmsOnCpu(const at::Tensor& x, const at::Tensor* delta,
                             at::ScalarType dtype) const {
  const at::Tensor y = at::empty(x.sizes(), x.options().dtype(dtype));
  const int64_t dim = x.size(1);
  cpu::NormArgs args{.weight = weight_.const_data_ptr<float>(),
                     .dim = dim,
                     .epsilon = static_cast<float>(epsilon_),
                     .element = ElementOf(dtype)};
  ParallelFor(x.size(0), Grain(dim), [&](int64_t begin, int64_t end) {
    cpu::NormArgs rows = args;
    rows.x = x.mutable_data_ptr<float>() + begin * dim;
    if (delta != nullptr) {
      rows.delta =
          static_cast<const char*>(delta->const_data_ptr()) + begin * dim * delta->element_size();
    }
    rows.y = static_cast<char*>(y.mutable_data_ptr()) + begin * dim * y.element_size();
    rows.rows = end - begin;
    cpu::BestKernels().norm(rows);
  });
  return y;
}

at::Tensor Swiglu(const at::Tensor& gate_up) {
  const int64_t dim = gate_up.size(1) / 2;
  if (!gate_up.is_cpu()) {
    return at::silu(gate_up.narrow(1, 0, dim)) * gate_up.narrow(1, dim, dim);
  }
  const at::Tensor in = gate_up.contiguous();
  const at::Tensor out = at::empty({in.size(0), dim}, in.options());
  ParallelFor(in.size(0), Grain(dim), [&](int64_t begin, int64_t end) {
    cpu::SwigluArgs args{.rows = end - begin, .dim = dim, .element = ElementOf(in.scalar_type())};
    args.in = static_cast<const char*>(in.const_data_ptr()) + begin * 2 * dim * in.element_size();
    args.out = static_cast<char*>(out.mutable_data_ptr()) + begin * dim * out.element_size();
    cpu::BestKernels().swiglu(args);
  });
  return out;
}

}  // namespace promptcache
