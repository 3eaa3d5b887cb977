// `schema fix`: bare '<' and '&' in text become what their author meant.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/limits.h"
#include "coordinator/pml/source.h"

namespace promptcache {

// One character that was written as itself and is now a reference.
struct PmlFix {
  size_t offset = 0;     // in the original
  char character = '<';  // or '&'
};

struct FixedPml {
  std::string text;           // the whole document; equal to the original when there are no fixes
  std::vector<PmlFix> fixes;  // ascending
};

// Writes `&lt;` for each '<' in text that begins no tag of the language and `&amp;` for each '&'
// that begins no reference. Nothing else changes. Pure; the result may still have other errors.
FixedPml FixBareCharacters(const PmlSource& source);

}  // namespace promptcache
