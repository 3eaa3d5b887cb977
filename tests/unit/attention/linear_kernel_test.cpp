#include <cmath>

#include "tests/unit/attention/cpu_kernel_sets.h"

namespace promptcache::cpu {
namespace {

class LinearKernel : public CpuKernels {};

// `weight` [columns, inputs] as LinearArgs wants it.
at::Tensor InPanels(const at::Tensor& weight) {
  const int64_t columns = weight.size(0), inputs = weight.size(1);
  const int64_t panels = (columns + kPanelColumns - 1) / kPanelColumns, steps = (inputs + 1) / 2;
  std::vector<float> w(panels * steps * kPanelColumns * 2);
  const at::Tensor plain = weight.to(at::kFloat);
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t i = 0; i < inputs; ++i) {
      const int64_t step = c / kPanelColumns * steps + i / 2;
      w[(step * kPanelColumns + c % kPanelColumns) * 2 + i % 2] =
          plain.const_data_ptr<float>()[c * inputs + i];
    }
  }
  return at::tensor(w).to(at::kBFloat16);
}

struct LinearCase {
  int64_t rows, inputs, columns;
  at::Tensor x, weight, bias;

  LinearCase(int64_t m, int64_t k, int64_t n)
      : rows(m),
        inputs(k),
        columns(n),
        x(at::randn({m, k}).to(at::kBFloat16)),
        weight(at::randn({n, k}).to(at::kBFloat16)),
        bias(at::randn({n})) {}

  // The first `count` rows, with room for a guard behind each row of the result.
  at::Tensor Run(const Kernels& kernels, int64_t count, at::ScalarType dtype) const {
    const at::Tensor panels = InPanels(weight);
    const at::Tensor out = at::full({count, columns + 1}, 77, dtype);
    kernels.linear({.weight = panels.const_data_ptr(),
                    .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                    .x = x.const_data_ptr(),
                    .out = out.mutable_data_ptr(),
                    .out_row = columns + 1,
                    .rows = count,
                    .inputs = inputs,
                    .columns = columns,
                    .out_element = ElementOf(out)});
    EXPECT_TRUE(out.select(1, columns).eq(77).all().item<bool>()) << "wrote behind a row";
    return out.narrow(1, 0, columns);
  }

  at::Tensor Expected() const {
    const at::Tensor y = x.to(at::kDouble).matmul(weight.to(at::kDouble).t());
    return bias.defined() ? y + bias.to(at::kDouble) : y;
  }
};

TEST_P(LinearKernel, MultipliesEveryShape) {
  for (const int64_t rows : {1, 2, 3, 11, 12, 13, 30}) {
    for (const int64_t inputs : {1, 2, 7, 64}) {
      for (const int64_t columns : {1, 31, 32, 33, 70}) {
        const LinearCase c(rows, inputs, columns);
        const at::Tensor expected = c.Expected();
        EXPECT_LE(Error(c.Run(*kernels_, rows, at::kFloat), expected), 1e-5)
            << rows << " x " << inputs << " x " << columns;
        EXPECT_TRUE(
            c.Run(*kernels_, rows, at::kBFloat16).to(at::kDouble).allclose(expected, 4e-3, 1e-5));
      }
    }
  }
}

TEST_P(LinearKernel, WithoutBiasAddsNothing) {
  LinearCase c(5, 34, 40);
  c.bias = at::Tensor();
  EXPECT_LE(Error(c.Run(*kernels_, 5, at::kFloat), c.Expected()), 1e-5);
}

TEST_P(LinearKernel, GivesARowTheSameBitsWhateverRowsAreWithIt) {
  const LinearCase c(29, 577, 65);
  const at::Tensor all = c.Run(*kernels_, 29, at::kFloat);
  for (int64_t count = 1; count < 29; ++count) {
    EXPECT_TRUE(c.Run(*kernels_, count, at::kFloat).equal(all.narrow(0, 0, count))) << count;
  }
}

TEST_P(LinearKernel, KeepsNanAndInfinityInTheirRow) {
  const LinearCase c(3, 7, 33);
  c.x[1][6] = NAN, c.x[2][0] = INFINITY;
  const at::Tensor y = c.Run(*kernels_, 3, at::kFloat);
  EXPECT_TRUE(y[0].isfinite().all().item<bool>());
  EXPECT_TRUE(y[1].isnan().all().item<bool>());
  EXPECT_TRUE(y[2].isinf().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Isas, LinearKernel, kIsas, NameOf);

}  // namespace
}  // namespace promptcache::cpu
