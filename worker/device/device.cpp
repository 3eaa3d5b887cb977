#include "worker/device/device.h"

#include <ATen/Context.h>

#include <charconv>

namespace promptcache {
namespace {

#if defined(PROMPTCACHE_WITH_CUDA)
constexpr bool kHasCudaKernels = true;
#else
constexpr bool kHasCudaKernels = false;
#endif

Result<c10::Device> ParseCuda(const std::string& name, std::string_view number) {
  int index = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  if (error != std::errc() || end != number.data() + number.size() || index < 0 || index > 127) {
    return InvalidArgument("device '" + name + "': expected cpu or cuda:N");
  }
  if (!kHasCudaKernels) {
    return FailedPrecondition(
        "device '" + name +
        "': this build has no CUDA kernels; use device cpu, or a build of the cuda preset");
  }
  const int64_t count = at::hasCUDA() ? static_cast<int64_t>(at::getNumGPUs()) : 0;
  if (index >= count) {
    return FailedPrecondition("device '" + name + "': this machine has " + std::to_string(count) +
                              " usable GPUs (is the NVIDIA driver loaded?); use device cpu");
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace

Result<c10::Device> ParseDevice(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  if (name == "cuda") return ParseCuda(name, "0");
  if (name.starts_with("cuda:")) return ParseCuda(name, std::string_view(name).substr(5));
  return InvalidArgument("device '" + name + "': expected cpu or cuda:N");
}

}  // namespace promptcache
