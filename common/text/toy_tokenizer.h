// T0, the toy tokenizer of the reference vectors: every maximal run of non-white-space is a token,
// white space at the very start or end of a text is one token "_", inner white space is nothing, a
// text of only white space is one "_".
#pragma once

#include <cstdint>
#include <memory>

#include "common/text/tokenizer.h"

namespace promptcache {

struct ToyTokenizerOptions {
  size_t max_word_bytes = SIZE_MAX;  // longer ones are an error, as real tokenizers have limits
  bool has_unknown = true;           // whether there is an unknown token
};

// Ids are digests of their words, the same in every process; 0 is "<unk>", 1 is "_". Two words of
// one id (there are 2^30) are an error. Thread safe.
std::unique_ptr<Tokenizer> MakeToyTokenizer(const ToyTokenizerOptions& options = {});

}  // namespace promptcache
