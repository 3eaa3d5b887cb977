// Byte-pair encoding of characters, as Llama 2 and CodeLlama use it: a vocabulary of SentencePiece.
#pragma once

#include <memory>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

// Normal tokens are UTF-8 with U+2581 for a space, or "<0x0A>" for one byte of a character that the
// vocabulary lacks; there must be all 256 of these. A text gets a space before it.
// A U+2581 of the text is a space, as in the original. Errors as for MakeBpeTokenizer, and
// kUnimplemented for a pre-tokenizer, ignore_merges and added tokens of white space. Encoding takes
// O(n log n) for any text.
Result<std::unique_ptr<Tokenizer>> MakeLlamaTokenizer(BpeDefinition definition);

}  // namespace promptcache
