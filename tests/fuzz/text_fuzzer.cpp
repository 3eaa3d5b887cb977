// Text that a user sends and bytes that a model answers. The first byte picks the pre-tokenizer.
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "common/text/bpe_alphabet.h"
#include "common/text/bpe_tokenizer.h"
#include "common/text/detokenizer.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzzer.h"

namespace promptcache {
namespace {

void Require(bool fact) {
  if (!fact) std::abort();
}

// Ids are bytes; 256 to 258 are merges, 259 is special.
std::unique_ptr<Tokenizer> MakeTokenizer(const char* pretokenizer) {
  BpeDefinition definition;
  for (int byte = 0; byte < 256; ++byte) {
    definition.tokens.push_back(BytesToAlphabet(std::string(1, static_cast<char>(byte))));
  }
  for (const char* token : {"aa", "aab", "\xC3\xA9"}) {
    definition.tokens.push_back(BytesToAlphabet(token));
  }
  definition.merges = {BytesToAlphabet("a") + " " + BytesToAlphabet("a"),
                       BytesToAlphabet("aa") + " " + BytesToAlphabet("b"),
                       BytesToAlphabet("\xC3") + " " + BytesToAlphabet("\xA9")};
  definition.kinds.assign(definition.tokens.size(), TokenKind::kNormal);
  definition.tokens.push_back("<|end|>");
  definition.kinds.push_back(TokenKind::kSpecial);
  definition.pretokenizer = pretokenizer;
  auto tokenizer = MakeBpeTokenizer(std::move(definition));
  Require(tokenizer.ok());
  return *std::move(tokenizer);
}

// Valid text comes back; other text is an error.
void CheckRoundTrip(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text);
  Require(ids.ok() == IsUtf8(text));
  if (!ids.ok()) return;
  std::string decoded;
  for (TokenId id : *ids) {
    Require(!tokenizer.IsSpecial(id));
    decoded += *tokenizer.TokenBytes(id);
  }
  Require(decoded == text);
}

// Any bytes stream as UTF-8, valid ones unchanged, and stop strings do not depend on the pieces.
void CheckStream(const Tokenizer& tokenizer, std::string_view bytes) {
  StreamingDetokenizer detokenizer(tokenizer);
  const std::vector<std::string> stops = {"aab", "ab", "\n\n"};
  StopMatcher piecewise(stops);
  std::string text, shown;
  bool stopped = false;
  const auto take = [&](const std::string& piece) {
    Require(IsUtf8(piece));
    text += piece;
    if (stopped) return;
    const auto step = piecewise.Push(piece);
    shown += step.text;
    stopped = step.stopped;
  };
  for (const char byte : bytes) take(*detokenizer.Push(static_cast<uint8_t>(byte)));
  take(detokenizer.Flush());
  if (!stopped) shown += piecewise.Flush();
  if (IsUtf8(bytes)) Require(text == bytes);
  StopMatcher whole(stops);
  const auto step = whole.Push(text);
  Require(step.stopped == stopped);
  Require(step.text + (stopped ? "" : whole.Flush()) == shown);
}

}  // namespace
}  // namespace promptcache

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace promptcache;
  static const std::unique_ptr<Tokenizer> tokenizers[] = {
      MakeTokenizer("gpt-2"), MakeTokenizer("smollm"), MakeTokenizer("llama-bpe"),
      MakeTokenizer("qwen2"), MakeTokenizer("falcon")};
  if (size == 0) return 0;
  const Tokenizer& tokenizer = *tokenizers[data[0] % 5];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  CheckRoundTrip(tokenizer, text);
  CheckStream(tokenizer, text);
  (void)EncodePieces(tokenizer, {{std::string(text), true}});
  return 0;
}
