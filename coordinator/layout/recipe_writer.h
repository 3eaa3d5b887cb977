// Collects what a unit is encoded from. Internal to coordinator/layout.
#pragma once

#include <span>
#include <vector>

#include "common/types.h"
#include "coordinator/layout/layout.h"

namespace promptcache {

// What becomes of tokens: a row of the unit, or only seen by what follows.
enum class TokenRole : uint8_t { kRow, kSeen };

class RecipeWriter {
 public:
  explicit RecipeWriter(Positions positions) : positions_(positions) {}

  // Tokens at layout positions from `start` on; packed ones stand behind what was added before.
  // Returns the index of the first. REQUIRES: `start` is behind everything added before.
  size_t Add(std::span<const TokenId> ids, Position start, TokenRole role);
  size_t size() const { return all_.size(); }
  // Position of a token, relative to the first row. REQUIRES: there is a row.
  Position LocalOf(size_t index) const {
    return all_.positions[index] - all_.positions[first_row_];
  }
  // What was added, without what follows the last row. REQUIRES: there is a row.
  Recipe Finish(EncodingMode mode) const;

 private:
  const Positions positions_;
  Tokens all_;
  std::vector<RowRange> seen_;  // between rows
  size_t first_row_ = 0;
  size_t rows_end_ = 0;  // behind the last row; 0: none yet
};

}  // namespace promptcache
