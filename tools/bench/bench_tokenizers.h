// Tokenizers that take no time, so that what remains of a measurement is the compiler's own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/text/tokenizer.h"

namespace promptcache {

// Every text is one token.
std::unique_ptr<Tokenizer> MakeConstantTokenizer();

// Knows the ids that `tokenizer` gives for `texts` and looks them up; another text is kInternal.
// Everything else is asked of `tokenizer`, which outlives it.
Result<std::unique_ptr<Tokenizer>> MakeLookUpTokenizer(const Tokenizer& tokenizer,
                                                       const std::vector<std::string>& texts);

}  // namespace promptcache
