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

// Of a Hugging Face model directory (common/text/tokenizer_directory.h says what of it is read and
// in which order), a GGUF file, which it is by its first bytes, a tokenizer.json or a
// tokenizer.model of SentencePiece. Errors: those of the file's own reader, kNotFound when it
// cannot be opened, kInvalidArgument when it is none of these.
Result<std::unique_ptr<Tokenizer>> LoadTokenizerFile(const std::string& path);

}  // namespace promptcache
