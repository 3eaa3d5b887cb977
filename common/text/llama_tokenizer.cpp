#include "common/text/llama_tokenizer.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/text/utf8.h"
#include "common/text/vocabulary_tokenizer.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;   // about 40 bytes of memory for each of a word
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

// The text with spaces for every U+2581.
std::string WithSpaces(std::string_view text) {
  std::string spaced;
  spaced.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size();) {
    const size_t mark = std::min(text.find(kSpace, at), text.size());
    spaced += text.substr(at, mark - at);
    if (mark < text.size()) spaced += ' ';
    at = mark + kSpace.size();
  }
  return spaced;
}

// Where the next space after something else is. Where no token has one inside, no merge crosses it.
size_t EndOfWord(std::string_view text, size_t begin) {
  const size_t letter = text.find_first_not_of(' ', begin);
  return letter == std::string_view::npos ? text.size()
                                          : std::min(text.find(' ', letter), text.size());
}

std::string ByteToken(int byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

std::optional<int> ByteOf(const std::string& written) {
  for (int byte = 0; written.size() == 6 && written[0] == '<' && byte < 256; ++byte) {
    if (written == ByteToken(byte)) return byte;
  }
  return std::nullopt;
}

class LlamaTokenizer : public VocabularyTokenizer {
 public:
  Status Init(BpeDefinition definition) {
    if (!definition.pretokenizer.empty() || definition.ignore_merges) {
      return Unimplemented("byte fallback together with a pre-tokenizer or ignore_merges");
    }
    PC_RETURN_IF_ERROR(Index(std::move(definition), Spell, "promptcache character bpe 1"));
    if (!spaces().empty()) {
      return Unimplemented("byte fallback together with added tokens of white space");
    }
    return IndexBytes();
  }

  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    if (text.size() > kMaxTextBytes) {
      return InvalidArgument("a text of " + std::to_string(text.size()) +
                             " bytes; at most 16 MiB are tokenized at once");
    }
    const size_t fault = FirstInvalidUtf8(text);
    if (fault < text.size()) {
      return InvalidArgument("the text is not UTF-8 at byte " + std::to_string(fault));
    }
    std::vector<TokenId> ids;
    if (text.empty()) return ids;
    const std::string spaced = " " + WithSpaces(text);
    for (size_t begin = 0; begin < spaced.size();) {
      const size_t end = joins_words_ ? spaced.size() : EndOfWord(spaced, begin);
      const auto parts = PartsOf(std::string_view(spaced).substr(begin, end - begin));
      ids.insert(ids.end(), parts.begin(), parts.end());
      begin = end;
    }
    return ids;
  }

 private:
  static Spelling Spell(const std::string& written) {
    if (const auto byte = ByteOf(written)) return {std::string(1, static_cast<char>(*byte)), false};
    return {WithSpaces(written), written.find(' ') == std::string::npos};
  }

  std::vector<TokenId> PartsOf(std::string_view word) const {
    std::vector<TokenId> parts;
    parts.reserve(word.size());
    for (size_t at = 0; at < word.size();) {
      const std::string character(word.substr(at, DecodeUtf8At(word, at).bytes));
      at += character.size();
      if (const auto id = FindBytes(character)) {
        parts.push_back(*id);
        continue;
      }
      for (const char byte : character) parts.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    }
    merges().Apply(parts);
    return parts;
  }

  Status IndexBytes() {
    std::array<bool, 256> found{};
    const auto& tokens = definition().tokens;
    for (size_t id = 0; id < tokens.size(); ++id) {
      const std::string spelt = WithSpaces(tokens[id]);
      joins_words_ = joins_words_ || EndOfWord(spelt, 0) < spelt.size();
      const auto byte = ByteOf(tokens[id]);
      if (!byte || definition().kinds[id] != TokenKind::kNormal) continue;
      byte_ids_[*byte] = static_cast<TokenId>(id);
      found[*byte] = true;
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (found[byte]) continue;
      return InvalidArgument("the vocabulary has no token " + ByteToken(byte) +
                             ", which byte fallback needs");
    }
    return {};
  }

  // Constant after Init.
  std::array<TokenId, 256> byte_ids_{};
  bool joins_words_ = false;  // a token has a space after something else: a text is one word
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> MakeLlamaTokenizer(BpeDefinition definition) {
  auto tokenizer = std::make_unique<LlamaTokenizer>();
  PC_RETURN_IF_ERROR(tokenizer->Init(std::move(definition)));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace promptcache
