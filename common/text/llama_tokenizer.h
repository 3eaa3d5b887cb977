// Byte-pair encoding of characters, as Llama 2 and CodeLlama use it: a vocabulary of SentencePiece.
#pragma once

#include <memory>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

// Normal tokens are UTF-8 with U+2581 for a space, or "<0x0A>" for one byte of a character that the
// vocabulary lacks; there must be all 256 of these. A text gets a space before it unless the
// definition says otherwise. A U+2581 of the text is a space, as in the original. Errors as for
// MakeBpeTokenizer, and kUnimplemented for a pre-tokenizer, normal form C, ignore_merges, added
// tokens of white space and unused tokens that merges make in more than one way. Encoding takes
// O(n log n) for any text.
Result<std::unique_ptr<Tokenizer>> MakeLlamaTokenizer(BpeDefinition definition);

// By the definition's alphabet one or the other.
Result<std::unique_ptr<Tokenizer>> MakeTokenizer(BpeDefinition definition);

// The byte for which "<0x0A>" stands; nullopt for anything else.
std::optional<int> ByteOfToken(std::string_view written);
// The text with spaces for every U+2581.
std::string WithSpaces(std::string_view text);

}  // namespace promptcache
