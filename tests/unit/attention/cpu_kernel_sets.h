// Tests that run once for every instruction set this processor has.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "worker/device/cpu_kernels.h"

namespace promptcache::cpu {

enum class Isa { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

// Against formulas in double.
class CpuKernels : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    const AllKernels all = SupportedKernels();
    const Kernels* const sets[] = {all.portable, all.avx2, all.avx512, all.avx512bf16};
    kernels_ = sets[static_cast<size_t>(GetParam())];
    if (kernels_ == nullptr) GTEST_SKIP() << "this processor lacks the instructions";
  }

  static double Error(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
  }

  const Kernels* kernels_ = nullptr;
};

inline Element ElementOf(const at::Tensor& t) {
  return t.scalar_type() == at::kBFloat16 ? Element::kBf16 : Element::kFloat;
}

inline std::string NameOf(const ::testing::TestParamInfo<Isa>& isa) {
  const char* const names[] = {"portable", "avx2", "avx512", "avx512bf16"};
  return names[static_cast<size_t>(isa.param)];
}

inline const auto kIsas =
    ::testing::Values(Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16);

}  // namespace promptcache::cpu
