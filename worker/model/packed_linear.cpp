#include "worker/model/packed_linear.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "worker/device/cpu_kernels.h"

namespace promptcache {
namespace {

using Pack = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                             std::string_view, c10::List<std::optional<at::Scalar>>,
                             std::optional<std::string_view>);

// These operators have no C++ function; LibTorch reaches them by name only.
struct Operators {
  std::optional<c10::TypedOperatorHandle<Pack>> pack;
  std::optional<c10::TypedOperatorHandle<Pointwise>> apply;
};

const Operators& Find() {
  static const Operators* operators = [] {
    auto* found = new Operators;
    auto& dispatcher = c10::Dispatcher::singleton();
    const auto pack = dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""});
    const auto apply = dispatcher.findSchema({"mkldnn::_linear_pointwise", ""});
    if (pack && apply) {
      found->pack = pack->typed<Pack>();
      found->apply = apply->typed<Pointwise>();
    }
    return found;
  }();
  return *operators;
}

}  // namespace

at::Tensor PackLinear(const at::Tensor& weight) {
  if (!weight.is_cpu() || weight.scalar_type() != at::kBFloat16 || !cpu::HasAmx() || !Find().pack) {
    return at::Tensor();
  }
  const std::optional<c10::SymInt> any_batch;
  return Find().pack->call(weight, any_batch);
}

at::Tensor ApplyPackedLinear(const at::Tensor& x, const at::Tensor& packed,
                             const at::Tensor& bias) {
  const auto added = bias.defined() ? std::optional(bias) : std::nullopt;
  return Find().apply->call(x, packed, added, "none", c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace promptcache
