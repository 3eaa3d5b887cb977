#include "worker/device/rotary.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "common/thread_team.h"
#include "worker/device/cpu_kernels.h"
#include "worker/device/rotary_cuda.h"

namespace promptcache {
namespace {

// cos and sin [shifts, rows, frequencies] fp64 cpu. The angle of p - s is that of p turned back by
// that of s, so that a step with many shifts costs one complex product instead of a sine per entry.
void FillTable(const RotaryParameters& parameters, std::span<const Position> positions,
               std::span<const Position> shifts, double* cos, double* sin) {
  const std::span<const double> frequency = parameters.frequencies;
  const int64_t half = static_cast<int64_t>(frequency.size());
  const int64_t rows = static_cast<int64_t>(positions.size());
  std::vector<double> cos_p(rows * half), sin_p(rows * half);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < half; ++i) {
      cos_p[r * half + i] = parameters.magnitude * std::cos(positions[r] * frequency[i]);
      sin_p[r * half + i] = parameters.magnitude * std::sin(positions[r] * frequency[i]);
    }
  }
  for (const Position shift : shifts) {
    for (int64_t i = 0; i < half; ++i) {
      const double cos_s = std::cos(shift * frequency[i]), sin_s = std::sin(shift * frequency[i]);
      for (int64_t r = 0; r < rows; ++r) {
        const double c = cos_p[r * half + i], s = sin_p[r * half + i];
        cos[r * half + i] = c * cos_s + s * sin_s;
        sin[r * half + i] = s * cos_s - c * sin_s;
      }
    }
    cos += rows * half;
    sin += rows * half;
  }
}

cpu::Element ElementOf(const at::Tensor& t) {
  return t.scalar_type() == at::kBFloat16 ? cpu::Element::kBf16 : cpu::Element::kFloat;
}

bool HasCpuKernel(const at::Tensor& t) {
  return t.is_cpu() && (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
}

void RotateOnCpu(const at::Tensor& in, const RotaryRows& rows, const at::Tensor& out,
                 double scale) {
  const at::Tensor& cos = rows.table->cos();
  const int64_t half = cos.size(2);
  const int64_t offset = (rows.shift * cos.size(1) + rows.first_row) * half;
  cpu::RotateArgs args;
  args.in_row = in.stride(0), args.in_head = in.stride(1);
  args.out_row = out.stride(0), args.out_head = out.stride(1);
  args.heads = in.size(1), args.dim = in.size(2), args.turned = 2 * half, args.table_stride = half;
  args.scale = static_cast<float>(scale);
  args.in_element = ElementOf(in), args.out_element = ElementOf(out);
  const char* in_data = static_cast<const char*>(in.const_data_ptr());
  char* out_data = static_cast<char*>(out.mutable_data_ptr());
  const float* cos_data = cos.const_data_ptr<float>() + offset;
  const float* sin_data = rows.table->sin().const_data_ptr<float>() + offset;
  const int64_t grain = std::max<int64_t>(1, 65536 / (args.heads * args.dim));
  ParallelFor(in.size(0), grain, [&](int64_t begin, int64_t end) {
    cpu::RotateArgs part = args;
    part.in = in_data + begin * args.in_row * in.element_size();
    part.out = out_data + begin * args.out_row * out.element_size();
    part.rows = end - begin;
    part.cos = cos_data + begin * half;
    part.sin = sin_data + begin * half;
    cpu::BestKernels().rotate(part);
  });
}

}  // namespace

RotaryTable::RotaryTable(const RotaryParameters& parameters, std::span<const Position> positions,
                         std::span<const Position> shifts, at::TensorOptions options) {
  const bool fp64 = options.dtype() == at::kDouble;
  if (options.device().is_cuda()) {
    std::tie(cos_, sin_) = CudaRotaryTable(parameters, positions, shifts, options);
    return;
  }
  const std::vector<int64_t> sizes = {static_cast<int64_t>(shifts.size()),
                                      static_cast<int64_t>(positions.size()),
                                      static_cast<int64_t>(parameters.frequencies.size())};
  cos_ = at::empty(sizes, at::kDouble);
  sin_ = at::empty(sizes, at::kDouble);
  FillTable(parameters, positions, shifts, cos_.mutable_data_ptr<double>(),
            sin_.mutable_data_ptr<double>());
  if (fp64) return;
  cos_ = cos_.to(at::kFloat);
  sin_ = sin_.to(at::kFloat);
}

void Rotate(const at::Tensor& in, const RotaryRows& rows, const at::Tensor& out, double scale) {
  TORCH_CHECK(in.dim() == 3 && in.sizes() == out.sizes() && in.stride(2) == 1 &&
                  out.stride(2) == 1 && in.size(2) >= 2 * rows.table->cos().size(2) &&
                  rows.first_row + in.size(0) <= rows.table->rows(),
              "Rotate: shapes do not fit: ", in.sizes(), " and table ", rows.table->cos().sizes());
  if (in.numel() == 0) return;
  if (in.is_cuda()) return CudaRotate(in, rows, out, scale);
  if (HasCpuKernel(in) && HasCpuKernel(out) && rows.table->cos().scalar_type() == at::kFloat) {
    return RotateOnCpu(in, rows, out, scale);
  }
  const auto table = rows.table->cos().scalar_type();
  const auto angles = [&](const at::Tensor& t) {
    return t.select(0, rows.shift).narrow(0, rows.first_row, in.size(0)).unsqueeze(1);
  };
  const at::Tensor cos = angles(rows.table->cos()), sin = angles(rows.table->sin());
  const int64_t half = cos.size(2);
  const at::Tensor wide = in.to(table);
  const at::Tensor a = wide.narrow(2, 0, half), b = wide.narrow(2, half, half);
  const at::Tensor rest = wide.narrow(2, 2 * half, in.size(2) - 2 * half);
  out.copy_(at::cat({a * cos - b * sin, b * cos + a * sin, rest}, 2) * scale);
}

}  // namespace promptcache
