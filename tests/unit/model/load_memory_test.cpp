// How much memory loading takes at most: every tensor's, counted where LibTorch allocates it.
#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "tests/fakes/test_env.h"
#include "worker/model/model.h"

namespace promptcache {
namespace {

std::atomic<size_t> g_now{0}, g_peak{0};

class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = nullptr;
    if (bytes > 0 && ::posix_memalign(&data, 64, bytes) != 0) throw std::bad_alloc();
    g_now += ::malloc_usable_size(data);
    g_peak = std::max(g_peak.load(), g_now.load());
    return {data, data, &Free, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static void Free(void* data) {
    g_now -= ::malloc_usable_size(data);
    ::free(data);
  }
};

TEST(LoadMemory, PeakStaysBelowTwelveTenthsOfWhatIsKept) {
  const auto path = testing::ModelPath();
  PC_SKIP_WITHOUT(path, "SmolLM2, which tools/bootstrap installs");
  static CountingAllocator counting;
  c10::SetCPUAllocator(&counting, /*priority=*/100);
  for (const ComputeDtype dtype : {ComputeDtype::kFp32, ComputeDtype::kBf16}) {
    g_peak = g_now.load();
    const size_t before = g_now;
    const auto loaded = LoadModel(path->string(), {.dtype = dtype});
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    const size_t kept = g_now - before, peak = g_peak - before;
    std::printf("kept %zu MiB, peak %zu MiB, %.3f x\n", kept >> 20, peak >> 20,
                static_cast<double>(peak) / static_cast<double>(kept));
    EXPECT_GT(kept, size_t{250} << 20);
    EXPECT_LT(static_cast<double>(peak), 1.2 * static_cast<double>(kept));
  }
}

}  // namespace
}  // namespace promptcache
