// Splits a document into markup and text before the XML parser sees it, and finds what is wrong
// with either: every mistake at its place, where what follows can still be understood.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/text/templates.h"
#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/limits.h"
#include "coordinator/pml/source.h"

namespace promptcache {

enum class PieceKind : uint8_t {
  kText,
  kCData,
  kComment,
  kDeclaration,  // <?xml ...?>
  kMarker,
  kOpenTag,
  kCloseTag,
  kEmptyTag
};

struct Piece {
  PieceKind kind = PieceKind::kText;
  RoleMarker marker = RoleMarker::kSystemOpen;  // kMarker only
  size_t begin = 0;
  size_t end = 0;  // one past
};

struct ScannedDocument {
  std::vector<Piece> pieces;  // in order, without gaps, from source.begin() on
  // What is left for the XML parser to judge: the declaration and the tags, one behind the other.
  // All texts, comments, CDATA sections and role markers are right, and left out.
  std::string xml;
};

// Errors go to `diagnostics`; every limit is held. The result is meaningful only without errors.
ScannedDocument ScanDocument(const PmlSource& source, const PmlLimits& limits,
                             Diagnostics& diagnostics);

// Where in the source the byte of `xml` at `offset` is.
size_t SourceOffset(const ScannedDocument& scanned, size_t offset);

// " in <module name='refunds'>": what is open at an offset of the source, as far out as the next
// element with a name. Empty outside the root.
std::string Enclosing(const PmlSource& source, std::span<const Piece> pieces, size_t offset);

}  // namespace promptcache
