// A store whose writes may be torn: what it gives is verified, or it is a miss.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "common/types.h"

namespace promptcache::chaos {

class SimStore {
 public:
  void Put(const RecipeDigest& unit, uint64_t states, bool torn) {
    blobs_[unit] = {.states = torn ? states >> 32 : states, .checksum = Checksum(states)};
  }
  std::optional<uint64_t> Get(const RecipeDigest& unit) const {
    const auto found = blobs_.find(unit);
    if (found == blobs_.end() || Checksum(found->second.states) != found->second.checksum) {
      return std::nullopt;
    }
    return found->second.states;
  }

 private:
  struct Blob {
    uint64_t states = 0;
    uint64_t checksum = 0;
  };
  static uint64_t Checksum(uint64_t states) { return states * 0x9E3779B97F4A7C15 ^ 0x77; }

  std::map<RecipeDigest, Blob> blobs_;
};

}  // namespace promptcache::chaos
