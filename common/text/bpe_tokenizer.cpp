#include "common/text/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/text/bpe_alphabet.h"
#include "common/text/nfc.h"
#include "common/text/pretokenizer.h"
#include "common/text/utf8.h"
#include "common/text/vocabulary_tokenizer.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTextBytes = size_t{64} << 20;
constexpr TokenId kNoToken = -1;

class BpeTokenizer : public VocabularyTokenizer {
 public:
  Status Init(BpeDefinition definition) {
    if (!definition.scores.empty()) return Unimplemented("byte-level merges by scores");
    PC_RETURN_IF_ERROR(Index(std::move(definition), Spell, "promptcache byte-level bpe 3"));
    PC_ASSIGN_OR_RETURN(pretokenizer_, Pretokenizer::Create(this->definition().pretokenizer));
    for (int byte = 0; byte < 256; ++byte) {
      byte_ids_[byte] = FindBytes(std::string(1, static_cast<char>(byte))).value_or(kNoToken);
      // Vocabularies lack bytes that their training text lacked; without these there is no text.
      if (byte_ids_[byte] == kNoToken && byte >= ' ' && byte <= '~') {
        return InvalidArgument("the vocabulary has no token for byte " + std::to_string(byte));
      }
    }
    return {};
  }

  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    if (text.size() > kMaxTextBytes) {
      return InvalidArgument("a text of " + std::to_string(text.size()) +
                             " bytes; at most 64 MiB are tokenized at once");
    }
    const size_t fault = FirstInvalidUtf8(text);
    if (fault < text.size()) {
      return InvalidArgument("the text is not UTF-8 at byte " + std::to_string(fault));
    }
    WordEncoder encoder(*this);
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
      const auto space = spaces().LongestAt(text.substr(at));
      if (!space) {
        ++at;
        continue;
      }
      PC_RETURN_IF_ERROR(AppendWords(text.substr(begin, at - begin), encoder));
      encoder.Append(space->id);
      begin = at += space->bytes;
    }
    PC_RETURN_IF_ERROR(AppendWords(text.substr(begin), encoder));
    return encoder.TakeIds();
  }

 private:
  // A normal token outside the alphabet never arises from text; it still has a written form.
  static Spelling Spell(const std::string& written) {
    auto bytes = AlphabetToBytes(written);
    return bytes ? Spelling{*std::move(bytes), true} : Spelling{written, false};
  }

  Status AppendWords(std::string_view text, WordEncoder& encoder) const {
    std::string normal;
    if (definition().nfc) text = Nfc(text, normal);
    PC_ASSIGN_OR_RETURN(const auto words, pretokenizer_->Split(text));
    for (std::string_view word : words) encoder.Append(word);
    return {};
  }

  void EncodeWord(std::string_view word, std::vector<TokenId>& parts) const override {
    const auto whole = definition().ignore_merges ? FindBytes(word) : std::nullopt;
    if (whole) {
      parts.push_back(*whole);
      return;
    }
    for (const char byte : word) {
      const TokenId id = byte_ids_[static_cast<uint8_t>(byte)];
      if (id != kNoToken) parts.push_back(id);  // else its neighbours become neighbours
    }
    merges().Apply(parts);
  }

  // Constant after Init.
  std::unique_ptr<const Pretokenizer> pretokenizer_;
  std::array<TokenId, 256> byte_ids_{};  // or kNoToken
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> MakeBpeTokenizer(BpeDefinition definition) {
  auto tokenizer = std::make_unique<BpeTokenizer>();
  PC_RETURN_IF_ERROR(tokenizer->Init(std::move(definition)));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

std::vector<TokenId> WellKnownEndIds(const BpeDefinition& definition) {
  constexpr std::string_view kNames[] = {"<|im_end|>", "<|eot_id|>", "<|end_of_text|>",
                                         "<|endoftext|>", "</s>"};
  std::vector<TokenId> end;
  for (size_t id = 0; id < definition.kinds.size() && id < definition.tokens.size(); ++id) {
    if (definition.kinds[id] != TokenKind::kSpecial) continue;
    if (std::find(std::begin(kNames), std::end(kNames), definition.tokens[id]) != std::end(kNames))
      end.push_back(static_cast<TokenId>(id));
  }
  return end;
}

}  // namespace promptcache
