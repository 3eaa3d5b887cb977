#include "worker/device/device.h"

#include <ATen/Context.h>

#include "worker/settings/device_name.h"

namespace promptcache {
namespace {

#if defined(PROMPTCACHE_WITH_CUDA)
constexpr bool kHasCudaKernels = true;
#else
constexpr bool kHasCudaKernels = false;
#endif

}  // namespace

Result<c10::Device> ParseDevice(const std::string& name) {
  PC_ASSIGN_OR_RETURN(const std::optional<int8_t> gpu, ParseDeviceName(name));
  if (!gpu) return c10::Device(c10::kCPU);
  if (!kHasCudaKernels) {
    return FailedPrecondition(
        "device '" + name +
        "': this build has no CUDA kernels; use device cpu, or a build of the cuda preset");
  }
  const int64_t count = at::hasCUDA() ? static_cast<int64_t>(at::getNumGPUs()) : 0;
  if (*gpu >= count) {
    return FailedPrecondition("device '" + name + "': this machine has " + std::to_string(count) +
                              " usable GPUs (is the NVIDIA driver loaded?); use device cpu");
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(*gpu));
}

}  // namespace promptcache
