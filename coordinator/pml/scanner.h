// Splits a document into markup and text before the XML parser sees it, and finds what is wrong
// with either: every mistake at its place, where what follows can still be understood.
#pragma once

#include <string>
#include <vector>

#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/limits.h"
#include "coordinator/pml/pieces.h"
#include "coordinator/pml/source.h"

namespace promptcache {

struct ScannedDocument {
  std::vector<Piece> pieces;  // in order, without gaps, from source.begin() on
  // What is left for the XML parser to judge: the declaration and the tags, one behind the other.
  // All texts, comments, CDATA sections and role markers are right, and left out.
  std::string xml;
};

// Errors go to `diagnostics`; every limit is held. The result is meaningful only without errors.
ScannedDocument ScanDocument(const PmlSource& source, const PmlLimits& limits,
                             Diagnostics& diagnostics);

}  // namespace promptcache
