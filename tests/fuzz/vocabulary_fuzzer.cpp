// vocab.json and, after the first zero byte, merges.txt: read, then used on texts, none of which
// gives a special token.
#include <algorithm>

#include "common/text/bpe_tokenizer.h"
#include "common/text/tokenizer_directory.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/tokenizer_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  auto definition =
      ReadVocabulary(input.substr(0, end), input.substr(std::min(end + 1, input.size())));
  if (!definition.ok()) return 0;
  definition->pretokenizer = "gpt-2";
  const auto tokenizer = MakeBpeTokenizer(*std::move(definition));
  if (tokenizer.ok()) CheckTokenizer(**tokenizer);
  return 0;
}
