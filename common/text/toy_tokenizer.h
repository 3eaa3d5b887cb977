// T0, the toy tokenizer of the reference vectors: every maximal run of non-white-space is a token,
// white space at the very start or end of a text is one token "_", inner white space is nothing, a
// text of only white space is one "_".
#pragma once

#include <memory>

#include "common/text/tokenizer.h"

namespace promptcache {

// Ids are given in the order in which tokens are first seen; 0 is "<unk>", 1 is "_". Thread safe.
std::unique_ptr<Tokenizer> MakeToyTokenizer();

}  // namespace promptcache
