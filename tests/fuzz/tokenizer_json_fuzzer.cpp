// A tokenizer.json: read, then used on texts. Text never gives a special token, and what comes back
// is the text unless the vocabulary lacks some of it.
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/text/tokenizer_json.h"
#include "tests/fuzz/fuzzer.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = ParseTokenizerJson(json, "input");
  if (!tokenizer.ok()) return 0;
  for (const char* text :
       {"", "ab 12345!?  \xC3\xA9 x", "<s><|im_end|>\n\n    a\xF0\x9F\x98\x80"}) {
    const auto ids = (*tokenizer)->Encode(text);
    if (!ids.ok()) std::abort();
    for (const TokenId id : *ids) {
      if ((*tokenizer)->IsSpecial(id) || !(*tokenizer)->TokenBytes(id).ok()) std::abort();
    }
    (void)EncodePieces(**tokenizer, {{text, true}, {text, false}});
  }
  return 0;
}
