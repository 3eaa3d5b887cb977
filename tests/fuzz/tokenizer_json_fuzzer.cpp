// A tokenizer.json: read, then used on texts, none of which gives a special token.
#include "common/text/tokenizer_json.h"

#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/tokenizer_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = ParseTokenizerJson(json, "input");
  if (tokenizer.ok()) CheckTokenizer(**tokenizer);
  return 0;
}
