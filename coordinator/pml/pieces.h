// What a document consists of, before anything has a meaning: markup and the texts between.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/text/templates.h"
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

// Whether the XML parser judges it; the others are right when the scan is over.
bool IsForTheParser(const Piece& piece);

// Where in the source the byte is that is at `offset` of all the pieces for the parser together.
size_t SourceOffset(std::span<const Piece> pieces, size_t offset);

// " in <module name='refunds'>": what is open at an offset of the source, as far out as the next
// element with a name. Empty outside the root.
std::string Enclosing(const PmlSource& source, std::span<const Piece> pieces, size_t offset);

}  // namespace promptcache
