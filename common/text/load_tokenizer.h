// The tokenizer that a model file carries.
#pragma once

#include <memory>

#include "common/formats/gguf.h"
#include "common/text/tokenizer.h"

namespace promptcache {

// kUnimplemented naming the value for a tokenizer model or pre-tokenizer this project does not
// have: never a guess.
Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const GgufFile& file);

}  // namespace promptcache
