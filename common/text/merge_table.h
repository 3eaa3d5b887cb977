// The merges of byte-pair encoding.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "common/types.h"

namespace promptcache {

// Constant once filled, and then safe for concurrent use.
class MergeTable {
 public:
  void Reserve(size_t merges) { merges_.reserve(merges); }
  // The best first. A pair keeps what it was given first.
  void Add(TokenId left, TokenId right, TokenId merged);

  // Merges the best pair, the leftmost among equals, until none is left. O(n log n).
  // REQUIRES: at most INT32_MAX ids.
  void Apply(std::vector<TokenId>& ids) const;

 private:
  struct Merge {
    uint32_t rank = 0;
    TokenId merged = 0;
  };
  std::unordered_map<uint64_t, Merge> merges_;  // by pair
};

}  // namespace promptcache
