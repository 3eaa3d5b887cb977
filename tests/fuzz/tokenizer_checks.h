// What holds for every tokenizer that a reader made of hostile bytes.
#pragma once

#include <cstdlib>

#include "common/text/tokenizer.h"

namespace promptcache {

inline void CheckTokenizer(const Tokenizer& tokenizer) {
  for (const char* text :
       {"", "ab 12345!?  \xC3\xA9 x", "<s><|im_end|>\n\n    a\xF0\x9F\x98\x80"}) {
    const auto ids = tokenizer.Encode(text);
    if (!ids.ok()) std::abort();
    for (const TokenId id : *ids) {
      if (tokenizer.IsSpecial(id) || !tokenizer.TokenBytes(id).ok()) std::abort();
    }
    (void)EncodePieces(tokenizer, {{text, true}, {text, false}});
  }
}

}  // namespace promptcache
