#include "tests/unit/attention/reference.h"

#include <cmath>

namespace promptcache::testing {
namespace {

at::Tensor Random(at::IntArrayRef sizes, const at::Generator& generator, at::ScalarType dtype) {
  // Values of the compute dtype, held in double, so that inputs carry no rounding of their own.
  return at::randn(sizes, generator, at::kDouble).to(dtype).to(at::kDouble);
}

std::vector<Position> Positions(int64_t rows, Position gap) {
  std::vector<Position> positions;
  for (int64_t r = 0; r < rows; ++r) {
    positions.push_back(static_cast<Position>(r) + (r >= rows / 2 ? gap : 0));
  }
  return positions;
}

TestUnit MakeUnit(const TestLayout& layout, const RotaryParameters& rotary,
                  std::vector<Position> positions, const at::Generator& generator) {
  TestUnit unit;
  const int64_t tokens = static_cast<int64_t>(positions.size());
  const std::vector<int64_t> sizes = {layout.layers, layout.shape.kv_heads, tokens,
                                      layout.shape.head_dim};
  unit.raw_keys = Random(sizes, generator, layout.dtype);
  unit.kv = at::stack({RotateReference(unit.raw_keys, positions, rotary),
                       Random(sizes, generator, layout.dtype)},
                      1)
                .to(layout.dtype)
                .contiguous();
  unit.local_positions = std::move(positions);
  return unit;
}

int64_t FirstQueryAfter(const TestCase& c, Position last) {
  int64_t first = 0;
  while (first < static_cast<int64_t>(c.positions.size()) && c.positions[first] <= last) ++first;
  return first;
}

}  // namespace

PositionSettings Rope(int64_t dim, double theta) {
  return MakeRope({.dim = dim, .theta = theta}).value();
}

TestCase MakeCase(const TestLayout& layout, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  TestCase c;
  c.shape = layout.shape;
  c.encoding = layout.encoding;
  c.ranges = layout.ranges;
  for (const auto& [rows, gap] : layout.units) {
    c.units.push_back(MakeUnit(layout, c.rotary(), Positions(rows, gap), generator));
  }
  c.past = MakeUnit(layout, c.rotary(), layout.past, generator);
  c.positions = layout.positions;
  const int64_t tokens = static_cast<int64_t>(c.positions.size());
  const auto heads = [&](int64_t count) {
    return Random({layout.layers, tokens, count, layout.shape.head_dim}, generator, layout.dtype)
        .to(layout.dtype);
  };
  c.q = heads(layout.shape.heads);
  c.k = heads(layout.shape.kv_heads);
  c.v = heads(layout.shape.kv_heads);
  return c;
}

at::Tensor RotateReference(const at::Tensor& x, const std::vector<Position>& positions,
                           const RotaryParameters& rotary) {
  at::Tensor out = x.clone();
  const int64_t half = static_cast<int64_t>(rotary.frequencies.size());
  for (int64_t i = 0; i < half; ++i) {
    for (size_t r = 0; r < positions.size(); ++r) {
      const double angle = positions[r] * rotary.frequencies[i];
      const double c = rotary.magnitude * std::cos(angle), s = rotary.magnitude * std::sin(angle);
      const at::Tensor a = x.select(-2, r).select(-1, i), b = x.select(-2, r).select(-1, i + half);
      out.select(-2, r).select(-1, i).copy_(a * c - b * s);
      out.select(-2, r).select(-1, i + half).copy_(b * c + a * s);
    }
  }
  return out;
}

at::Tensor DenseReference(const TestCase& c, int64_t layer) {
  std::vector<at::Tensor> keys, values;
  std::vector<Position> key_positions;
  const auto add = [&](const TestUnit& unit, const TestRange& range) {
    if (range.rows == 0) return;
    keys.push_back(unit.raw_keys[layer].narrow(1, range.first_row, range.rows));
    values.push_back(unit.kv[layer][1].narrow(1, range.first_row, range.rows).to(at::kDouble));
    for (int64_t r = 0; r < range.rows; ++r) {
      key_positions.push_back(unit.local_positions[range.first_row + r] + range.shift);
    }
  };
  for (const TestRange& range : c.ranges) add(c.units[range.unit], range);
  add(c.past, {.rows = static_cast<int64_t>(c.past.local_positions.size())});
  keys.push_back(c.k[layer].to(at::kDouble).transpose(0, 1));
  values.push_back(c.v[layer].to(at::kDouble).transpose(0, 1));
  key_positions.insert(key_positions.end(), c.positions.begin(), c.positions.end());

  const int64_t group = c.shape.heads / c.shape.kv_heads;
  const at::Tensor k =
      RotateReference(at::cat(keys, 1), key_positions, c.rotary()).repeat_interleave(group, 0);
  const at::Tensor v = at::cat(values, 1).repeat_interleave(group, 0);
  const at::Tensor q =
      RotateReference(c.q[layer].to(at::kDouble).transpose(0, 1), c.positions, c.rotary());
  at::Tensor scores = at::matmul(q, k.transpose(1, 2)) / std::sqrt(c.shape.head_dim);
  const at::Tensor mask = at::zeros({q.size(1), k.size(1)}, at::kBool);
  for (int64_t m = 0; m < q.size(1); ++m) {
    for (int64_t j = 0; j < k.size(1); ++j) {
      if (key_positions[j] > c.positions[m]) mask[m][j] = true;
      for (size_t h = 0; h < c.encoding.slopes.size(); ++h) {
        scores[h][m][j] += c.encoding.slopes[h] * (key_positions[j] - c.positions[m]);
      }
    }
  }
  scores.masked_fill_(mask, -INFINITY);
  return at::matmul(scores.softmax(-1), v).transpose(0, 1).reshape({q.size(1), -1});
}

at::Tensor RunSegments(const TestCase& c, AttentionKernel kernel) {
  const int64_t layers = c.q.size(0), tokens = c.q.size(1);
  const int64_t past = static_cast<int64_t>(c.past.local_positions.size());
  // Rows beyond those in use hold NaN: reading one shows.
  at::Tensor own = at::full({layers, 2, c.shape.kv_heads, past + tokens + 3, c.shape.head_dim}, NAN,
                            c.q.options());
  own.narrow(3, 0, past).copy_(c.past.kv);
  std::vector<KeyRange> ranges;
  for (const TestRange& range : c.ranges) {
    const TestUnit& unit = c.units[range.unit];
    const Position last =
        unit.local_positions[range.first_row + std::max<int64_t>(range.rows, 1) - 1] + range.shift;
    ranges.push_back({.kv = &unit.kv,
                      .first_row = range.first_row,
                      .rows = range.rows,
                      .shift = range.shift,
                      .first_query = FirstQueryAfter(c, last),
                      .positions = unit.local_positions});
  }
  std::vector<Position> own_positions = c.past.local_positions;
  own_positions.insert(own_positions.end(), c.positions.begin(), c.positions.end());
  const AttentionSequence sequence{.positions = c.positions,
                                   .units = ranges,
                                   .own = &own,
                                   .past = past,
                                   .own_positions = own_positions};
  StepAttention attention(
      {.shape = c.shape, .rotary = c.rotary(), .slopes = c.encoding.slopes, .kernel = kernel},
      std::span(&sequence, 1));
  at::Tensor out;
  for (int64_t layer = 0; layer < layers; ++layer) {
    out = attention.Run(layer, c.q[layer], c.k[layer], c.v[layer]);
  }
  return out;
}

double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).abs().max() / b.to(at::kDouble).abs().max())
      .item<double>();
}

}  // namespace promptcache::testing
