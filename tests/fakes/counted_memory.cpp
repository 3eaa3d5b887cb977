#include "tests/fakes/counted_memory.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> g_now{0};
std::atomic<size_t> g_peak{0};
std::atomic<size_t> g_base{0};

}  // namespace

void* operator new(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  const size_t now = g_now += malloc_usable_size(memory);
  size_t peak = g_peak;
  while (now > peak && !g_peak.compare_exchange_weak(peak, now)) {
  }
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory != nullptr) g_now -= malloc_usable_size(memory);
  std::free(memory);
}

void operator delete(void* memory, size_t /*size*/) noexcept { operator delete(memory); }

namespace promptcache::testing {

void ResetPeak() {
  g_base = g_now.load();
  g_peak = g_now.load();
}

size_t PeakBytes() { return g_peak - g_base; }

}  // namespace promptcache::testing
