// Attention computed the plain way, in double: every key at its target position, one dense mask.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "common/formats/positions.h"
#include "worker/attention/step_attention.h"

namespace promptcache::testing {

// A unit with the raw (not rotated) keys it was made from.
struct TestUnit {
  at::Tensor raw_keys;                    // [layers, kv_heads, tokens, head_dim] fp64
  at::Tensor kv;                          // as stored: keys rotated to local positions
  std::vector<Position> local_positions;  // of its rows
};

struct TestRange {
  size_t unit = 0;
  int64_t first_row = 0;
  int64_t rows = 0;
  Position shift = 0;
};

struct TestCase {
  AttentionShape shape;
  PositionSettings encoding;
  RotaryParameters rotary() const { return {encoding.frequencies, encoding.magnitude}; }
  std::vector<TestUnit> units;
  std::vector<TestRange> ranges;
  TestUnit past;  // the sequence's earlier rows, local position == target position
  std::vector<Position> positions;  // of the step
  at::Tensor q, k, v;               // [layers, tokens, heads, head_dim], not rotated
};

// RoPE over `dim` dimensions.
PositionSettings Rope(int64_t dim, double theta = 100000);

struct TestLayout {
  AttentionShape shape{.heads = 6, .kv_heads = 2, .head_dim = 16};
  int64_t layers = 2;
  PositionSettings encoding = Rope(16);
  at::ScalarType dtype = at::kFloat;
  // Rows of each unit with the gap before its second half (0: contiguous).
  std::vector<std::pair<int64_t, Position>> units;
  std::vector<TestRange> ranges;
  std::vector<Position> past, positions;
};

TestCase MakeCase(const TestLayout& layout, uint64_t seed);

// Rotates x [..., rows, head_dim] fp64 to `positions`.
at::Tensor RotateReference(const at::Tensor& x, const std::vector<Position>& positions,
                           const RotaryParameters& rotary);

// [tokens, heads * head_dim] fp64.
at::Tensor DenseReference(const TestCase& c, int64_t layer);

// The same through StepAttention, first_query derived from the positions. All layers in order;
// returns the last one's output.
at::Tensor RunSegments(const TestCase& c, AttentionKernel kernel);

// max |a - b| / max |b|
double RelativeError(const at::Tensor& a, const at::Tensor& b);

}  // namespace promptcache::testing
