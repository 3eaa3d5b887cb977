// Chance that a seed decides, the same on every machine.
#pragma once

#include <chrono>
#include <cstdint>

namespace promptcache::chaos {

using std::chrono::milliseconds;

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t mixed = state_ += 0x9E3779B97F4A7C15;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
  }
  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : Next() % bound; }
  bool OneIn(uint64_t chances) { return chances != 0 && Below(chances) == 0; }  // 0: never
  milliseconds Within(milliseconds least, milliseconds most) {
    return least + milliseconds(Below(static_cast<uint64_t>((most - least).count()) + 1));
  }

 private:
  uint64_t state_;
};

}  // namespace promptcache::chaos
