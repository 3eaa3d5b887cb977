#include "common/text/tokenizer.h"

#include <algorithm>

namespace promptcache {
namespace {

// Cuts a template piece at the special tokens the vocabulary has: ids, and the plain text between.
struct TemplateCut {
  std::string text;           // before the special token
  std::optional<TokenId> id;  // nullopt: the end of the piece
};

std::vector<TemplateCut> CutTemplate(const Tokenizer& tokenizer, const std::string& text) {
  constexpr size_t kLongestSpecial = 64;
  std::vector<TemplateCut> cuts(1);
  for (size_t at = 0; at < text.size();) {
    std::optional<TokenId> id;
    size_t length = std::min(kLongestSpecial, text.size() - at);
    if (text[at] == '<') {
      while (length > 1 && !(id = tokenizer.SpecialId(text.substr(at, length)))) --length;
    }
    if (!id) {
      cuts.back().text.push_back(text[at++]);
      continue;
    }
    cuts.back().id = id;
    cuts.emplace_back();
    at += length;
  }
  return cuts;
}

Status AppendPlain(const Tokenizer& tokenizer, std::string& plain, std::vector<TokenId>& ids) {
  if (plain.empty()) return {};
  PC_ASSIGN_OR_RETURN(const auto more, tokenizer.Encode(plain));
  ids.insert(ids.end(), more.begin(), more.end());
  plain.clear();
  return {};
}

}  // namespace

Result<std::vector<TokenId>> EncodePieces(const Tokenizer& tokenizer,
                                          const std::vector<TextPiece>& pieces) {
  std::vector<TokenId> ids;
  std::string plain;  // joins across pieces until a special token ends it
  for (const TextPiece& piece : pieces) {
    if (!piece.from_template) {
      plain += piece.text;
      continue;
    }
    for (const TemplateCut& cut : CutTemplate(tokenizer, piece.text)) {
      plain += cut.text;
      if (!cut.id) continue;
      PC_RETURN_IF_ERROR(AppendPlain(tokenizer, plain, ids));
      ids.push_back(*cut.id);
    }
  }
  PC_RETURN_IF_ERROR(AppendPlain(tokenizer, plain, ids));
  return ids;
}

}  // namespace promptcache
