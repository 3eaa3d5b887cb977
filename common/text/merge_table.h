// The merges of byte-pair encoding.
#pragma once

#include <cstdint>
#include <vector>

#include "common/types.h"

namespace promptcache {

// Constant once filled, and then safe for concurrent use.
class MergeTable {
 public:
  // Smaller ranks are better. A pair keeps what it was given first. REQUIRES: merged >= 0.
  void Add(uint32_t rank, TokenId left, TokenId right, TokenId merged);

  // Merges the best pair, the leftmost among equals, until none is left. O(n log n).
  // REQUIRES: at most INT32_MAX ids, none negative.
  void Apply(std::vector<TokenId>& ids) const;

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  struct Merge {
    uint32_t rank = kNoRank;  // kNoRank: the two do not merge
    TokenId merged = 0;
  };
  struct Slot {
    uint64_t pair = 0;
    Merge merge;
  };

  Merge Find(TokenId left, TokenId right) const;
  Slot& SlotOf(uint64_t pair);
  void Grow();
  void ApplyShort(std::vector<TokenId>& ids) const;
  void ApplyLong(std::vector<TokenId>& ids) const;

  std::vector<Slot> slots_;  // open addressing, at most half full; a power of two of them
  size_t used_ = 0;
};

}  // namespace promptcache
