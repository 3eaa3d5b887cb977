// `schema diff`: what an edit of a schema costs (design of PML, section 6).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/layout/layout.h"

namespace promptcache {

enum class UnitChange : uint8_t {
  kKept,     // the same recipe: nothing to encode
  kAdded,    // no unit of this path before
  kRemoved,  // no unit of this path any more
  kChanged,  // its own text
  kContext,  // only what it is encoded behind
  kMoved     // only the distances in its recipe
};
std::string_view UnitChangeName(UnitChange change);  // "kept", "added", ...

struct UnitDiff {
  std::string path;
  UnitChange change = UnitChange::kKept;
  uint32_t tokens = 0;          // of the new unit; of the old one when it was removed
  uint32_t context_tokens = 0;  // likewise
  uint32_t encode_tokens = 0;   // own tokens to run, hidden ones too; 0 for kept and removed units
};

// By path, in the new document's order; removed units last. A unit whose recipe another path had
// before is kept: recipes name units, not paths. Pure.
std::vector<UnitDiff> DiffUnits(const Layout& before, const Layout& after);

// Tokens that encoding all that the edit invalidates runs: units share what they are encoded
// behind, so the longest context counts once.
uint64_t EncodeTokens(const std::vector<UnitDiff>& diffs);

}  // namespace promptcache
