// SentencePiece's vocabularies: the .model file, and what it has in common with a GGUF file's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

// A .model file of the type BPE with byte fallback, as Llama 2 has it. kInvalidArgument for what is
// no such file or contradicts itself, kUnimplemented naming the model type, the normalizer or the
// option that this project does not have, kResourceExhausted for a file beyond 16 MiB or a million
// pieces.
Result<BpeDefinition> ReadSentencePieceModel(std::string_view file);

// Sets what follows from the types of the tokens, one for each as both kinds of file number them:
// the kinds and the unknown token. kInvalidArgument for other types, for a byte that is not written
// as one and something else that is.
Status SetPieceTypes(std::span<const int64_t> types, BpeDefinition& definition);

}  // namespace promptcache
