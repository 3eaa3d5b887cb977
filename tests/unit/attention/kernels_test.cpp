#include "tests/unit/attention/cpu_kernel_sets.h"

#include <cmath>

namespace promptcache::cpu {
namespace {

TEST_P(CpuKernels, RotateTurnsPairsAndScales) {
  for (const int64_t dim : {2, 6, 8, 16, 40, 64, 128}) {
    const at::Tensor x = at::randn({3, 2, dim}), angle = at::randn({3, dim / 2});
    const at::Tensor cos = angle.cos(), sin = angle.sin();
    const auto halves = x.chunk(2, 2);
    const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
    const at::Tensor expected =
        at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, 2) * 0.5;
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor out = at::zeros({3, 2, dim}, dtype);
      kernels_->rotate({.in = x.const_data_ptr(),
                        .in_row = 2 * dim,
                        .in_head = dim,
                        .out = out.mutable_data_ptr(),
                        .out_row = 2 * dim,
                        .out_head = dim,
                        .rows = 3,
                        .heads = 2,
                        .dim = dim,
                        .turned = dim,
                        .cos = cos.const_data_ptr<float>(),
                        .sin = sin.const_data_ptr<float>(),
                        .table_stride = dim / 2,
                        .scale = 0.5f,
                        .in_element = Element::kFloat,
                        .out_element = ElementOf(out)});
      EXPECT_LE(Error(out, expected), dtype == at::kFloat ? 1e-6 : 2e-2) << dim;
    }
  }
}

TEST_P(CpuKernels, RoundingToBf16IsToNearestEvenAndKeepsNan) {
  const at::Tensor x =
      at::tensor({1.0f, 1.00390625f, 1.01171875f, -3.3895e38f, NAN, INFINITY, 1e-40f, -0.0f,
                  65504.0f, 3.1415926f, 2.0f, 1.0f / 3, 5.0f, 6.0f, 7.1f, 8.7f, 9.3f, -INFINITY});
  const int64_t n = x.numel();
  const at::Tensor zero = at::zeros({n}), cos = at::ones({n}), sin = at::zeros({n});
  const at::Tensor in = at::cat({x, zero}), out = at::empty({2 * n}, at::kBFloat16);
  // Rotation by angle 0 of finite values copies them; others are checked in the first half only.
  kernels_->rotate({.in = in.const_data_ptr(),
                    .out = out.mutable_data_ptr(),
                    .rows = 1,
                    .heads = 1,
                    .dim = 2 * n,
                    .turned = 2 * n,
                    .cos = cos.const_data_ptr<float>(),
                    .sin = sin.const_data_ptr<float>(),
                    .out_element = Element::kBf16});
  EXPECT_TRUE(out.narrow(0, 0, n)
                  .to(at::kFloat)
                  .allclose(x.to(at::kBFloat16).to(at::kFloat), 0, 0,
                            /*equal_nan=*/true));
}

TEST_P(CpuKernels, NormAddsAndNormalises) {
  for (const int64_t dim : {5, 64, 576, 579}) {
    const at::Tensor x = at::randn({3, dim}) * 3, delta = at::randn({3, dim});
    const at::Tensor weight = at::randn({dim});
    const at::Tensor sum = (x + delta).to(at::kDouble);
    const at::Tensor expected =
        sum / (sum.pow(2).mean(1, true) + 1e-5).sqrt() * weight.to(at::kDouble);
    const at::Tensor y = at::empty({3, dim});
    kernels_->norm({.x = x.mutable_data_ptr<float>(),
                    .delta = delta.const_data_ptr(),
                    .weight = weight.const_data_ptr<float>(),
                    .y = y.mutable_data_ptr(),
                    .rows = 3,
                    .dim = dim,
                    .epsilon = 1e-5f});
    EXPECT_LE(Error(y, expected), 1e-5) << dim;
    EXPECT_LE(Error(x, sum), 1e-6) << dim;
  }
}

TEST_P(CpuKernels, SwigluAtExtremes) {
  for (const int64_t dim : {3, 16, 37}) {
    at::Tensor in = at::randn({2, 2 * dim}) * 10;
    in[0][0] = 200, in[0][1] = -200, in[1][0] = 0, in[1][2] = -88.5;
    const auto halves = in.to(at::kDouble).chunk(2, 1);
    const at::Tensor expected = at::silu(halves[0]) * halves[1];
    const at::Tensor out = at::empty({2, dim});
    kernels_->swiglu(
        {.in = in.const_data_ptr(), .out = out.mutable_data_ptr(), .rows = 2, .dim = dim});
    EXPECT_TRUE(out.to(at::kDouble).allclose(expected, 3e-6, 1e-30)) << dim;
  }
}

struct ListCase {
  int64_t queries, group, dim, keys;
  at::ScalarType dtype;
};

// Keys alternate between two shifts; every fifth is hidden from the first query.
double ListError(const Kernels& kernels, const ListCase& c) {
  const int64_t rows = c.queries * c.group;
  const at::Tensor query = at::randn({2, rows, c.dim});
  const at::Tensor k = at::randn({c.keys, c.dim}).to(c.dtype), v = at::randn_like(k);
  std::vector<const void*> keys, values;
  std::vector<int32_t> shifts, first;
  at::Tensor scores = at::empty({rows, c.keys}, at::kDouble);
  for (int64_t j = 0; j < c.keys; ++j) {
    keys.push_back(k[j].const_data_ptr()), values.push_back(v[j].const_data_ptr());
    shifts.push_back(j % 2), first.push_back(j % 5 == 4 && c.queries > 1 ? 1 : 0);
    scores.select(1, j).copy_(query[j % 2].to(at::kDouble).matmul(k[j].to(at::kDouble)));
    for (int64_t r = 0; r < rows; ++r) {
      if (r % c.queries < first.back()) scores[r][j] = -INFINITY;
    }
  }
  const at::Tensor out = at::empty({rows, c.dim}), max = at::empty({rows}), sum = at::empty({rows});
  kernels.list({.query = query.const_data_ptr<float>(),
                .shift_stride = rows * c.dim,
                .rows = rows,
                .queries = c.queries,
                .dim = c.dim,
                .keys = keys.data(),
                .values = values.data(),
                .shifts = shifts.data(),
                .first_queries = first.data(),
                .count = c.keys,
                .element = ElementOf(k),
                .accumulator = out.mutable_data_ptr<float>(),
                .max = max.mutable_data_ptr<float>(),
                .sum = sum.mutable_data_ptr<float>()});
  const at::Tensor expected = scores.softmax(1).matmul(v.to(at::kDouble));
  return (out.to(at::kDouble) / sum.unsqueeze(1) - expected).abs().max().item<double>();
}

TEST_P(CpuKernels, ListAttentionEqualsDenseSoftmax) {
  for (const int64_t keys : {1, 2, 15, 16, 63, 64, 65, 300}) {
    for (const int64_t queries : {1, 2, 5}) {
      for (const int64_t dim : {16, 64, 80}) {
        for (const auto dtype : {at::kFloat, at::kBFloat16}) {
          EXPECT_LE(ListError(*kernels_, {queries, 3, dim, keys, dtype}), 2e-5)
              << keys << " keys, " << queries << " queries, dim " << dim;
        }
      }
    }
  }
}

TEST_P(CpuKernels, ListAttentionWithNothingVisibleHasNoWeight) {
  const at::Tensor query = at::randn({1, 2, 16}), kv = at::randn({1, 16});
  const void* key = kv.const_data_ptr();
  const int32_t shift = 0, first = 1;
  const at::Tensor out = at::empty({2, 16}), max = at::empty({2}), sum = at::empty({2});
  kernels_->list({.query = query.const_data_ptr<float>(),
                  .shift_stride = 32,
                  .rows = 2,
                  .queries = 2,
                  .dim = 16,
                  .keys = &key,
                  .values = &key,
                  .shifts = &shift,
                  .first_queries = &first,
                  .count = 1,
                  .accumulator = out.mutable_data_ptr<float>(),
                  .max = max.mutable_data_ptr<float>(),
                  .sum = sum.mutable_data_ptr<float>()});
  EXPECT_EQ(max[0].item<float>(), -INFINITY);
  EXPECT_EQ(sum[0].item<float>(), 0);
  EXPECT_TRUE(out[0].equal(at::zeros({16})));
  EXPECT_EQ(sum[1].item<float>(), 1);  // exp of an unchanged maximum is exactly 1
  EXPECT_TRUE(out[1].equal(kv[0]));
}

TEST_P(CpuKernels, MergeWeighsPartsByTheirLogSums) {
  for (const int64_t dim : {5, 64}) {
    const int64_t kv = 2, group = 3, m = 4;
    const at::Tensor a = at::randn({kv, group, m, dim}), b = at::randn({kv, group, m - 2, dim});
    const at::Tensor la = at::randn({kv, group, m}) * 20, lb = at::randn({kv, group, m - 2}) * 20;
    const auto part = [](const at::Tensor& o, const at::Tensor& l, int64_t first) {
      return PartialOutput{o.const_data_ptr(),
                           l.const_data_ptr<float>(),
                           o.stride(0),
                           o.stride(1),
                           o.stride(2),
                           l.stride(0),
                           l.stride(1),
                           l.stride(2),
                           first};
    };
    const PartialOutput parts[] = {part(a, la, 0), part(b, lb, 2)};
    const at::Tensor out = at::empty({m, kv * group * dim});
    float weights[2];
    kernels_->merge({.parts = parts,
                     .part_count = 2,
                     .first_query = 0,
                     .last_query = m,
                     .kv_heads = kv,
                     .group = group,
                     .dim = dim,
                     .out = out.mutable_data_ptr(),
                     .out_row = out.stride(0),
                     .weights = weights});
    at::Tensor expected = a.to(at::kDouble).clone();
    const at::Tensor x = la.narrow(2, 2, m - 2).to(at::kDouble), y = lb.to(at::kDouble);
    const at::Tensor share = at::sigmoid(y - x).unsqueeze(-1);
    expected.narrow(2, 2, m - 2).mul_(1 - share).add_(b.to(at::kDouble) * share);
    EXPECT_LE(Error(out, expected.permute({2, 0, 1, 3}).reshape({m, -1})), 2e-6) << dim;
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, CpuKernels, kIsas, NameOf);

}  // namespace
}  // namespace promptcache::cpu
