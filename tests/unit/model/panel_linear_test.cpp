#include "worker/model/panel_linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/thread_team.h"

namespace promptcache {
namespace {

struct Matrices {
  at::Tensor x, weight, bias;  // [rows, in] bf16, [out, in] bf16, [out] bf16
  at::Tensor expected;         // [rows, out] double

  Matrices(int64_t rows, int64_t in, int64_t out)
      : x(at::randn({rows, in}).to(at::kBFloat16)),
        weight((at::randn({out, in}) / 16).to(at::kBFloat16)),
        bias(at::randn({out}).to(at::kBFloat16)),
        expected(x.to(at::kDouble).matmul(weight.to(at::kDouble).t()) + bias.to(at::kDouble)) {}
};

// Rows that fill several tasks, and rows that are long.
TEST(PanelLinear, MultipliesMoreRowsThanOneTaskTakes) {
  for (const auto& [rows, in, out] : {std::tuple{1, 5, 3}, {700, 33, 70}, {300, 20000, 33}}) {
    const Matrices m(rows, in, out);
    const PanelLinear linear(m.weight, m.bias);
    // What a sum of that many products loses in fp32 grows with the root of their number.
    const double bound = 3e-6 * std::sqrt(in);
    EXPECT_LE((linear.Apply(m.x, at::kFloat) - m.expected).abs().max().item<double>(), bound) << in;
    EXPECT_EQ(linear.Apply(m.x, at::kBFloat16).scalar_type(), at::kBFloat16);
    EXPECT_TRUE(linear.Apply(m.x, at::kBFloat16).to(at::kDouble).allclose(m.expected, 4e-3, 1e-3));
  }
}

TEST(PanelLinear, NoRowsMakeNoRows) {
  const Matrices m(1, 40, 50);
  EXPECT_EQ(PanelLinear(m.weight, m.bias).Apply(m.x.narrow(0, 0, 0), at::kFloat).sizes(),
            (std::vector<int64_t>{0, 50}));
}

TEST(PanelLinear, ReadsRowsThatAreNotContiguous) {
  const Matrices m(6, 40, 50);
  const at::Tensor spread = at::randn({6, 80}).to(at::kBFloat16);
  spread.narrow(1, 40, 40).copy_(m.x);
  const PanelLinear linear(m.weight, {});
  EXPECT_TRUE(
      linear.Apply(spread.narrow(1, 40, 40), at::kFloat).equal(linear.Apply(m.x, at::kFloat)));
}

TEST(PanelLinear, ThreadsAndOtherRowsChangeNoBit) {
  const Matrices m(500, 96, 200);
  const PanelLinear linear(m.weight, m.bias);
  const auto on = [&](int threads) {
    ThreadTeam team(threads);
    const ThreadTeam::Use use(&team);
    return linear.Apply(m.x, at::kFloat);
  };
  const at::Tensor one = on(1);
  for (const int threads : {2, 3, 5}) EXPECT_TRUE(on(threads).equal(one)) << threads;
  EXPECT_TRUE(linear.Apply(m.x.narrow(0, 300, 1), at::kFloat).equal(one.narrow(0, 300, 1)));
}

}  // namespace
}  // namespace promptcache
