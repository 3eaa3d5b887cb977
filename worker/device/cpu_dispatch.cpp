#include "worker/device/cpu_kernels.h"

namespace promptcache::cpu {

extern const Kernels kPortableKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512Bf16Kernels;
#endif

AllKernels SupportedKernels() {
  AllKernels all{&kPortableKernels, nullptr, nullptr, nullptr};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.avx2 = &kAvx2Kernels;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    all.avx512 = &kAvx512Kernels;
    if (HasNativeBf16()) all.avx512bf16 = &kAvx512Bf16Kernels;
  }
#endif
  return all;
}

const Kernels& BestKernels() {
  static const Kernels& best = []() -> const Kernels& {
    const AllKernels all = SupportedKernels();
    if (all.avx512bf16 != nullptr) return *all.avx512bf16;
    if (all.avx512 != nullptr) return *all.avx512;
    return all.avx2 != nullptr ? *all.avx2 : *all.portable;
  }();
  return best;
}

bool HasNativeBf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool HasAmx() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("amx-bf16");
#else
  return false;
#endif
}

}  // namespace promptcache::cpu
