#include "worker/device/cpu_kernels.h"

namespace promptcache::cpu {
namespace {
#include "worker/device/cpu_vector.inc"
// The kernels need what the line above defines.
#include "worker/device/cpu_kernels.inc"
#include "worker/device/cpu_linear.inc"
}  // namespace

extern const Kernels kAvx512Kernels;
const Kernels kAvx512Kernels = {"avx512", Rotate, Merge, List, Norm, Swiglu, Linear};

}  // namespace promptcache::cpu
