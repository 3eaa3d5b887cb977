// HuggingFace's tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

// Byte-level BPE (normalizer none or NFC) and the BPE with byte fallback of
// Llama 2. What only frames or decodes ids (truncation, padding, post_processor, decoder) is not
// read. Special tokens are recognised as they are written wherever a template has them, also where
// the file says `normalized`.
// Errors name the place in the file: kInvalidArgument for what is not a tokenizer.json or
// contradicts itself, kUnimplemented for a model, normalizer, pre-tokenizer, option or flag that
// this project does not have, kResourceExhausted for a file beyond 64 MiB.
Result<BpeDefinition> ReadTokenizerJson(std::string_view text);
// The tokenizer itself; errors name `name`, too.
Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view text,
                                                      const std::string& name);

}  // namespace promptcache
