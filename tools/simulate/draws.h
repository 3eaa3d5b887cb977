// Random numbers by seed and stream, the same on every machine.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/rng.h"

namespace promptcache {

class Draws {
 public:
  Draws(uint64_t seed, uint32_t stream) : seed_(seed), stream_(stream) {}

  double Uniform() { return UniformAt(seed_, stream_, step_++); }  // in [0, 1)
  double Between(double low, double high) { return low + (high - low) * Uniform(); }
  uint32_t Integer(uint32_t low, uint32_t high) {  // both included
    return low + static_cast<uint32_t>(Uniform() * (high - low + 1));
  }
  double Exponential(double mean) { return -mean * std::log(1 - Uniform()); }

 private:
  uint64_t seed_;
  uint32_t stream_;
  uint32_t step_ = 0;
};

}  // namespace promptcache
