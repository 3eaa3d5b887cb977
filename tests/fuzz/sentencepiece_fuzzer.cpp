// A tokenizer.model of SentencePiece: read, then used on texts, none of which gives a special
// token.
#include "common/text/llama_tokenizer.h"
#include "common/text/sentencepiece_model.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/tokenizer_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  auto definition = ReadSentencePieceModel({reinterpret_cast<const char*>(data), size});
  if (!definition.ok()) return 0;
  const auto tokenizer = MakeTokenizer(*std::move(definition));
  if (tokenizer.ok()) CheckTokenizer(**tokenizer);
  return 0;
}
