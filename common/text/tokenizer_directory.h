// The tokenizer of a Hugging Face model directory.
#pragma once

#include <string>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

// The vocabulary is the first of these that is there:
//   1. tokenizer.json, which says everything
//   2. tokenizer.model, of SentencePiece; tokenizer_class, where tokenizer_config.json has one,
//   must
//      be that of Llama or CodeLlama, and its add_prefix_space overrides the model's
//   3. vocab.json with merges.txt, cut into words as tokenizer_class says: GPT2Tokenizer,
//      GPTNeoXTokenizer or Qwen2Tokenizer, each also with "Fast" at its end
// To 2 and 3 come the added tokens: added_tokens_decoder of tokenizer_config.json, or else
// added_tokens.json; and the tokens that tokenizer_config.json and special_tokens_map.json name
// (eos_token and the like, additional_special_tokens) are special, the last ids being those of
// such that have none. A text ends at eos_token_id of generation_config.json and config.json, at
// eos_token, and at the well-known end tokens. No other file is looked at.
// Errors name the file: kNotFound when there is no vocabulary, kUnimplemented naming a
// tokenizer_class or option that this project does not have, and those of each file's reader.
Result<BpeDefinition> ReadTokenizerDirectory(const std::string& path);

// What vocab.json and merges.txt say; errors name the file in `vocabulary` or `merges` only.
Result<BpeDefinition> ReadVocabulary(std::string_view vocabulary, std::string_view merges);

}  // namespace promptcache
