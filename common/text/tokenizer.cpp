#include "common/text/tokenizer.h"

namespace promptcache {
namespace {

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
    for (size_t at = 0; at < piece.text.size();) {
      const auto special = tokenizer.FindSpecialPrefix(std::string_view(piece.text).substr(at));
      if (!special) {
        plain.push_back(piece.text[at++]);
        continue;
      }
      PC_RETURN_IF_ERROR(AppendPlain(tokenizer, plain, ids));
      ids.push_back(special->id);
      at += special->bytes;
    }
  }
  PC_RETURN_IF_ERROR(AppendPlain(tokenizer, plain, ids));
  return ids;
}

}  // namespace promptcache
