#include "worker/model/panel_linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/thread_team.h"
#include "worker/device/cpu_kernels.h"

namespace promptcache {
namespace {

// A panel stays in a core's cache while this many rows pass by, and there are tasks enough for
// every core.
constexpr int64_t kRowsPerTask = 192;
constexpr int64_t kProductsPerTask = int64_t{1} << 17;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// In tasks of one panel and some rows.
void Run(const cpu::LinearArgs& all) {
  const int64_t panels = CeilDiv(all.columns, cpu::kPanelColumns);
  const int64_t parts = CeilDiv(all.rows, kRowsPerTask);
  const int64_t panel_bytes = CeilDiv(all.inputs, 2) * cpu::kPanelColumns * 4;
  const int64_t element = all.out_element == cpu::Element::kBf16 ? 2 : 4;
  const int64_t products = std::min(all.rows, kRowsPerTask) * all.inputs * cpu::kPanelColumns;
  const int64_t grain = std::max<int64_t>(1, kProductsPerTask / products);
  ParallelFor(panels * parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t column = task / parts * cpu::kPanelColumns, row = task % parts * kRowsPerTask;
      cpu::LinearArgs args = all;
      args.weight = static_cast<const char*>(all.weight) + task / parts * panel_bytes;
      if (all.bias != nullptr) args.bias = all.bias + column;
      args.x = static_cast<const char*>(all.x) + row * all.inputs * 2;
      args.out = static_cast<char*>(all.out) + (row * all.out_row + column) * element;
      args.rows = std::min(kRowsPerTask, all.rows - row);
      args.columns = std::min(cpu::kPanelColumns, all.columns - column);
      cpu::BestKernels().linear(args);
    }
  });
}

// [out, in] -> [ceil(out / 32), ceil(in / 2), 32, 2]
at::Tensor ToPanels(const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const int64_t panels = CeilDiv(out, cpu::kPanelColumns), pairs = CeilDiv(in, 2);
  at::Tensor padded = weight;
  if (out % cpu::kPanelColumns != 0 || in % 2 != 0) {
    padded = at::constant_pad_nd(weight, {0, 2 * pairs - in, 0, panels * cpu::kPanelColumns - out});
  }
  return padded.view({panels, cpu::kPanelColumns, pairs, 2}).permute({0, 2, 1, 3}).contiguous();
}

}  // namespace

PanelLinear::PanelLinear(const at::Tensor& weight, const at::Tensor& bias)
    : out_(weight.size(0)), panels_(ToPanels(weight)) {
  if (bias.defined()) bias_ = bias.to(at::kFloat);
}

at::Tensor PanelLinear::Apply(const at::Tensor& x, at::ScalarType dtype) const {
  const at::Tensor in = x.contiguous();
  const at::Tensor y = at::empty({in.size(0), out_}, in.options().dtype(dtype));
  cpu::LinearArgs args{.weight = panels_.const_data_ptr(), .out_row = out_, .inputs = in.size(1)};
  if (bias_.defined()) args.bias = bias_.const_data_ptr<float>();
  args.columns = out_;
  args.out_element = dtype == at::kBFloat16 ? cpu::Element::kBf16 : cpu::Element::kFloat;
  args.x = in.const_data_ptr();
  args.out = y.mutable_data_ptr();
  args.rows = in.size(0);
  if (args.rows > 0) Run(args);
  return y;
}

}  // namespace promptcache
