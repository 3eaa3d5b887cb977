// Splits a document into markup and text before the XML parser sees it: where each piece is, which
// role markers it holds, and what PML does not allow in any document.
#pragma once

#include <string>
#include <string_view>
#include <utility>
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
  kDeclaration,
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
  // The text with each role marker replaced by a processing instruction of the same length, so that
  // the XML parser's columns are the author's. Without the byte order mark.
  std::string xml;
};

// Errors go to `diagnostics`: bytes that are not UTF-8, another encoding or version of XML, a
// DOCTYPE, a processing instruction, a limit. The result is meaningful only without errors.
ScannedDocument ScanDocument(const PmlSource& source, const PmlLimits& limits,
                             Diagnostics& diagnostics);

// Names and offsets of a start tag's attributes in `tag`, which the XML parser has accepted.
std::vector<std::pair<std::string_view, size_t>> FindAttributes(std::string_view tag);

}  // namespace promptcache
