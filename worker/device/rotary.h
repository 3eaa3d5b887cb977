// Rotary position embedding relative to a shift: R((p - shift) * frequency_i), half-split layout.
// RoFormer (arXiv 2104.09864), section 3.4.2; R(a) R(b) = R(a + b) is what lets a stored key keep
// its unit-local position while the query turns by p - shift instead.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "common/types.h"

namespace promptcache {

// The angle of position p is p * frequencies[i] for the dimensions i and i + n of a head, n being
// the number of frequencies; dimensions from 2 n on do not turn. Without frequencies none does.
struct RotaryParameters {
  std::span<const double> frequencies;  // outlives the table
  double magnitude = 1;                 // multiplies what is turned
};

// cos and sin of the angles of `rows` positions for each of a list of shifts, times the magnitude.
// Computed in double, stored in fp32 (fp64 when asked, for tests). Made once per step and shared by
// all layers.
class RotaryTable {
 public:
  // Angles of positions[r] - shifts[s]. `options`: device, and kDouble for fp64.
  RotaryTable(const RotaryParameters& parameters, std::span<const Position> positions,
              std::span<const Position> shifts, at::TensorOptions options);

  int64_t rows() const { return cos_.size(1); }
  int64_t shifts() const { return cos_.size(0); }
  const at::Tensor& cos() const { return cos_; }  // [shifts, rows, n] fp32 or fp64, device
  const at::Tensor& sin() const { return sin_; }

 private:
  at::Tensor cos_, sin_;
};

// Rows [first_row, rows) of the table at `shift`, or one row of it for all rows of the input.
struct RotaryRows {
  const RotaryTable* table = nullptr;
  int64_t shift = 0;
  int64_t first_row = 0;
};

// out[r, h, :] = scale * R(angle(first_row + r)) in[r, h, :]. in and out [rows, heads, dim] with
// any strides but a dense last dimension, dim at least 2 n; they may be the same tensor. fp32
// arithmetic (fp64 for fp64 tensors), one rounding to the dtype of out. Runs on the device of the
// tensors.
void Rotate(const at::Tensor& in, const RotaryRows& rows, const at::Tensor& out, double scale = 1);

}  // namespace promptcache
