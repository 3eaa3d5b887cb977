#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>

#include "worker/device/rotary_cuda.h"

namespace promptcache {
namespace {

constexpr int kThreads = 256;

unsigned Blocks(int64_t items) {
  return static_cast<unsigned>(std::min<int64_t>((items + kThreads - 1) / kThreads, 65535));
}

// One thread an angle. The difference of positions is taken in integers, the angle in double: an
// angle table in fp32 is wrong by 1e-3 at long contexts.
template <typename T>
__global__ void TableKernel(const Position* positions, int64_t rows, const Position* shifts,
                            int64_t shift_count, const double* frequencies, int64_t half,
                            double magnitude, T* cos_out, T* sin_out) {
  const int64_t count = shift_count * rows * half;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t pair = i % half, row = i / half % rows, shift = i / (half * rows);
    const double distance = static_cast<double>(int64_t{positions[row]} - int64_t{shifts[shift]});
    double s, c;
    sincos(distance * frequencies[pair], &s, &c);
    cos_out[i] = static_cast<T>(magnitude * c);
    sin_out[i] = static_cast<T>(magnitude * s);
  }
}

template <typename T>
struct RotateView {
  const T* in;
  int64_t in_row, in_head;
  int64_t out_row, out_head;
  int64_t rows, heads, dim, half;
};

// One thread a pair of dimensions that turn, or one that does not.
template <typename In, typename Out, typename Angle>
__global__ void RotateKernel(RotateView<In> v, Out* out, const Angle* cos, const Angle* sin,
                             Angle scale) {
  const int64_t items = v.dim - v.half, count = v.rows * v.heads * items;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t pair = i % items, head = i / items % v.heads, row = i / (items * v.heads);
    const In* x = v.in + row * v.in_row + head * v.in_head;
    Out* y = out + row * v.out_row + head * v.out_head;
    if (pair >= v.half) {
      y[pair + v.half] = static_cast<Out>(static_cast<Angle>(x[pair + v.half]) * scale);
      continue;
    }
    const Angle c = cos[row * v.half + pair], s = sin[row * v.half + pair];
    const Angle a = static_cast<Angle>(x[pair]), b = static_cast<Angle>(x[pair + v.half]);
    y[pair] = static_cast<Out>((a * c - b * s) * scale);
    y[pair + v.half] = static_cast<Out>((b * c + a * s) * scale);
  }
}

at::Tensor ToDevice(std::span<const Position> values, at::Device device) {
  at::Tensor host = at::empty({static_cast<int64_t>(values.size())}, at::kInt);
  std::memcpy(host.mutable_data_ptr<Position>(), values.data(), values.size_bytes());
  return host.to(device);
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> CudaRotaryTable(const RotaryParameters& parameters,
                                                   std::span<const Position> positions,
                                                   std::span<const Position> shifts,
                                                   at::TensorOptions options) {
  const c10::cuda::CUDAGuard guard(options.device());
  const at::Tensor p = ToDevice(positions, options.device());
  const at::Tensor s = ToDevice(shifts, options.device());
  const auto dtype = options.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const auto half = static_cast<int64_t>(parameters.frequencies.size());
  at::Tensor frequencies = at::empty({half}, at::kDouble);
  std::memcpy(frequencies.mutable_data_ptr<double>(), parameters.frequencies.data(),
              parameters.frequencies.size_bytes());
  frequencies = frequencies.to(options.device());
  const at::Tensor cos = at::empty({s.size(0), p.size(0), half}, options.dtype(dtype));
  const at::Tensor sin = at::empty_like(cos);
  if (cos.numel() == 0) return {cos, sin};
  AT_DISPATCH_FLOATING_TYPES(dtype, "rotary table", [&] {
    TableKernel<scalar_t><<<Blocks(cos.numel()), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        p.const_data_ptr<Position>(), p.size(0), s.const_data_ptr<Position>(), s.size(0),
        frequencies.const_data_ptr<double>(), half, parameters.magnitude,
        cos.mutable_data_ptr<scalar_t>(), sin.mutable_data_ptr<scalar_t>());
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {cos, sin};
}

template <typename In, typename Out, typename Angle>
void LaunchRotate(const at::Tensor& in, const RotaryRows& rows, const at::Tensor& out,
                  double scale) {
  const at::Tensor& cos = rows.table->cos();
  const int64_t half = cos.size(2);
  const int64_t offset = (rows.shift * cos.size(1) + rows.first_row) * half;
  const RotateView<In> view{in.const_data_ptr<In>(),
                            in.stride(0),
                            in.stride(1),
                            out.stride(0),
                            out.stride(1),
                            in.size(0),
                            in.size(1),
                            in.size(2),
                            half};
  RotateKernel<In, Out, Angle>
      <<<Blocks(in.numel()), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          view, out.mutable_data_ptr<Out>(), cos.const_data_ptr<Angle>() + offset,
          rows.table->sin().const_data_ptr<Angle>() + offset, static_cast<Angle>(scale));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

void CudaRotate(const at::Tensor& in, const RotaryRows& rows, const at::Tensor& out, double scale) {
  const c10::cuda::CUDAGuard guard(in.device());
  if (rows.table->cos().scalar_type() == at::kDouble) {
    return LaunchRotate<double, double, double>(in, rows, out, scale);
  }
  const bool same = in.scalar_type() == out.scalar_type();
  TORCH_CHECK(same || out.scalar_type() == at::kFloat, "CudaRotate: writes ", in.scalar_type(),
              " or float, not ", out.scalar_type());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, in.scalar_type(), "rotate", [&] {
    if (same) return LaunchRotate<scalar_t, scalar_t, float>(in, rows, out, scale);
    LaunchRotate<scalar_t, float, float>(in, rows, out, scale);
  });
}

}  // namespace promptcache
