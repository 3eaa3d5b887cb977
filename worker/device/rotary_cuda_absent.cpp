#include <c10/util/Exception.h>

#include "worker/device/rotary_cuda.h"

namespace promptcache {

std::tuple<at::Tensor, at::Tensor> CudaRotaryTable(const RotaryParameters&,
                                                   std::span<const Position>,
                                                   std::span<const Position>, at::TensorOptions) {
  TORCH_CHECK(false, "this build has no CUDA kernels (configure with PROMPTCACHE_WITH_CUDA=ON)");
}

void CudaRotate(const at::Tensor&, const RotaryRows&, const at::Tensor&, double) {
  TORCH_CHECK(false, "this build has no CUDA kernels (configure with PROMPTCACHE_WITH_CUDA=ON)");
}

}  // namespace promptcache
