// A model file: parsed, then read the way the program reads one.
#include <memory>
#include <span>

#include "common/formats/gguf.h"
#include "common/text/load_tokenizer.h"
#include "common/text/templates.h"
#include "tests/fuzz/fuzzer.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using promptcache::GgufFile;
  const auto file = GgufFile::Parse({data, size}, "input");
  if (!file.ok()) return 0;
  // Every getter under a key of every type: wrong types must be errors, right ones in bounds.
  for (const char* key :
       {"general.architecture", "general.alignment", "llama.context_length",
        "llama.attention.layer_norm_rms_epsilon", "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type", "tokenizer.ggml.scores", "tokenizer.ggml.add_bos_token"}) {
    (void)(*file)->GetUnsigned(key);
    (void)(*file)->GetFloat(key);
    (void)(*file)->GetBool(key);
    (void)(*file)->GetString(key);
    (void)(*file)->GetStrings(key);
    (void)(*file)->GetIntegers(key);
    (void)(*file)->GetFloats(key);
  }
  volatile uint8_t sink = 0;
  for (const auto& tensor : (*file)->tensors()) {
    if (!tensor.bytes.empty()) sink = tensor.bytes.front() ^ tensor.bytes.back();
  }
  (void)sink;
  const auto chat = (*file)->GetString("tokenizer.chat_template");
  (void)promptcache::FindChatTemplate("auto", chat.ok() ? *chat : "");
  const auto tokenizer = promptcache::LoadTokenizer(**file);
  if (tokenizer.ok()) (void)EncodePieces(**tokenizer, {{"A<|im_end|> b\xC3\xA9\n\n 12", true}});
  return 0;
}
