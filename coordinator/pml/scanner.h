// Splits a document into markup and text before the XML parser sees it: where each piece is, which
// role markers it holds, and what PML does not allow in any document.
#pragma once

#include <string>
#include <vector>

#include "common/text/templates.h"
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
  size_t begin = 0;
  size_t end = 0;                               // one past
  RoleMarker marker = RoleMarker::kSystemOpen;  // kMarker only
};

struct ScannedDocument {
  std::vector<Piece> pieces;  // in order, without gaps
  // The text with each role marker replaced by a processing instruction of the same length, so that
  // the XML parser's columns are the author's.
  std::string xml;
};

// Errors go to `diagnostics`: bytes that are not UTF-8, another encoding, a DOCTYPE, a processing
// instruction. The result is meaningful only without errors.
ScannedDocument ScanDocument(const PmlSource& source, Diagnostics& diagnostics);

// What a kText piece stands for: references replaced, line breaks as LF. Text that came from a
// character or entity reference is `verbatim`.
struct DecodedSpan {
  std::string text;
  bool verbatim = false;
  size_t offset = 0;  // of its first byte in the raw text
};
std::vector<DecodedSpan> DecodeText(std::string_view raw);

}  // namespace promptcache
