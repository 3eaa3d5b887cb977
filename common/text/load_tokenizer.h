// The tokenizer that a model file carries or a file of its own describes.
#pragma once

#include <memory>
#include <string>

#include "common/formats/gguf.h"
#include "common/text/tokenizer.h"

namespace promptcache {

// kUnimplemented naming the value for a tokenizer model or pre-tokenizer this project does not
// have: never a guess.
Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const GgufFile& file);

// Of a GGUF file, which it is by its first bytes, or of a HuggingFace tokenizer.json. Errors: those
// of the file's own reader (common/text/tokenizer_json.h), kNotFound when it cannot be opened,
// kInvalidArgument when it is neither.
Result<std::unique_ptr<Tokenizer>> LoadTokenizerFile(const std::string& path);

}  // namespace promptcache
