// The arithmetic of the fake model.
#pragma once

#include <cstdint>

namespace promptcache {

// A number that depends on every bit of both, the same on all machines: the finalizer of
// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
constexpr uint64_t Mix(uint64_t state, uint64_t value) {
  uint64_t x = (state ^ value) + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace promptcache
