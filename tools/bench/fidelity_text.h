// The texts that `promptcache bench fidelity` measures: news, cut into modules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/text/tokenizer.h"

namespace promptcache {

struct FidelityShape {
  uint32_t modules = 8;
  uint32_t tokens = 128;  // of each module
  uint32_t new_tokens = 16;
  uint32_t continuation = 64;
};

// A schema that is one stretch of text cut into modules behind a short introduction, and a prompt
// that imports them all and goes on with the same text.
struct FidelityText {
  std::string schema(std::string_view encoding) const;  // PML
  std::string prompt() const;                           // PML

  std::vector<std::string> modules;
  std::string new_text;
  std::vector<TokenId> continuation;  // what the text goes on with
};

// The `context` of every line of a LongBench file, joined to one text. kNotFound when the file
// cannot be read, kInvalidArgument naming the line that is none.
Result<std::string> ReadNews(const std::string& path);

// Tokens of a text, to be cut into pieces.
class TokenStream {
 public:
  // Errors: those of the tokenizer.
  static Result<TokenStream> Of(const Tokenizer& tokenizer, const std::string& text);

  size_t size() const { return ids_.size(); }
  // Cut at a place that follows from the seed; the same one whatever else is asked for. Pieces are
  // tokenized again by whoever reads them, and may then have a token more or less.
  // kInvalidArgument when the text is too short.
  Result<FidelityText> Cut(const FidelityShape& shape, uint64_t seed) const;

 private:
  std::string Bytes(size_t begin, size_t end) const;
  // The first place from `at` on where no character is torn.
  size_t WholeFrom(size_t at) const;

  std::vector<TokenId> ids_;
  std::vector<std::string> bytes_;
};

}  // namespace promptcache
