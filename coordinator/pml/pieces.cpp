#include "coordinator/pml/pieces.h"

#include <algorithm>

#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/markup.h"

namespace promptcache {

bool IsForTheParser(const Piece& piece) {
  return piece.kind == PieceKind::kDeclaration || piece.kind >= PieceKind::kOpenTag;
}

size_t SourceOffset(std::span<const Piece> pieces, size_t offset) {
  size_t end = 0;
  for (const Piece& piece : pieces) {
    if (!IsForTheParser(piece)) continue;
    const size_t length = piece.end - piece.begin;
    if (offset < length) return piece.begin + offset;
    offset -= length;
    end = piece.end;
  }
  return end;
}

std::string Enclosing(const PmlSource& source, std::span<const Piece> pieces, size_t offset) {
  std::vector<const Piece*> open;
  for (const Piece& piece : pieces) {
    if (piece.end > offset) break;
    if (piece.kind == PieceKind::kOpenTag) open.push_back(&piece);
    if (piece.kind == PieceKind::kCloseTag && !open.empty()) open.pop_back();
  }
  std::string where;
  Tag tag;
  for (; !open.empty(); open.pop_back()) {
    if (ReadTag(source.text(), open.back()->begin, kUnlimited, tag)) break;  // it was read before
    where += " in <" + std::string(tag.name);
    const auto name = std::find_if(tag.attributes.begin(), tag.attributes.end(),
                                   [](const TagAttribute& one) { return one.name == "name"; });
    if (name != tag.attributes.end()) return where + " name=" + Quoted(name->value) + ">";
    where += ">";
  }
  return where;
}

}  // namespace promptcache
