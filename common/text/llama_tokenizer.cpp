#include "common/text/llama_tokenizer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "common/text/score_merges.h"
#include "common/text/utf8.h"
#include "common/text/vocabulary_tokenizer.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;   // about 40 bytes of memory for each of a word
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

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

class LlamaTokenizer : public VocabularyTokenizer {
 public:
  Status Init(BpeDefinition definition) {
    if (!definition.pretokenizer.empty() || definition.ignore_merges || definition.nfc) {
      return Unimplemented("byte fallback together with a pre-tokenizer, NFC or ignore_merges");
    }
    PC_RETURN_IF_ERROR(Index(std::move(definition), Spell, "promptcache character bpe 2"));
    if (!spaces().empty()) {
      return Unimplemented("byte fallback together with added tokens of white space");
    }
    PC_RETURN_IF_ERROR(IndexBytes());
    return IndexScores();
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
    if (text.empty()) return std::vector<TokenId>();
    WordEncoder encoder(*this);
    const std::string spaced = (definition().space_before_text ? " " : "") + WithSpaces(text);
    for (size_t begin = 0; begin < spaced.size();) {
      const size_t end = joins_words_ ? spaced.size() : EndOfWord(spaced, begin);
      encoder.Append(std::string_view(spaced).substr(begin, end - begin));
      begin = end;
    }
    return encoder.TakeIds();
  }

 private:
  static Spelling Spell(const std::string& written) {
    if (const auto byte = ByteOfToken(written)) {
      return {std::string(1, static_cast<char>(*byte)), false};
    }
    return {WithSpaces(written), written.find(' ') == std::string::npos};
  }

  void EncodeWord(std::string_view word, std::vector<TokenId>& parts) const override {
    for (size_t at = 0; at < word.size();) {
      const std::string_view character = word.substr(at, DecodeUtf8At(word, at).bytes);
      at += character.size();
      if (const auto id = SymbolOf(character)) {
        parts.push_back(*id);
      } else {
        AppendBytes(character, parts);
      }
    }
    merges().Apply(parts);
    if (!score_merges_.unspelt.empty() || !score_merges_.parts_of_unused.empty()) Resolve(parts);
  }

  std::optional<TokenId> SymbolOf(std::string_view character) const {
    const auto id = FindBytes(character);
    if (id || score_merges_.symbols.empty()) return id;
    const auto symbol = score_merges_.symbols.find(character);
    return symbol == score_merges_.symbols.end() ? std::nullopt : std::optional(symbol->second);
  }

  void AppendBytes(std::string_view character, std::vector<TokenId>& ids) const {
    for (const char byte : character) ids.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
  }

  // Replaces what is no token, or an unused one, by what stands for it.
  void Resolve(std::vector<TokenId>& ids) const {
    std::vector<TokenId> pending(ids.rbegin(), ids.rend());
    ids.clear();
    while (!pending.empty()) {
      const TokenId id = pending.back();
      pending.pop_back();
      const auto parts = score_merges_.parts_of_unused.find(id);
      if (parts != score_merges_.parts_of_unused.end()) {
        pending.push_back(parts->second.right);
        pending.push_back(parts->second.left);
      } else if (static_cast<uint32_t>(id) >= vocabulary_size()) {
        AppendBytes(score_merges_.unspelt[id - vocabulary_size()], ids);
      } else {
        ids.push_back(id);
      }
    }
  }

  Status IndexBytes() {
    std::array<bool, 256> found{};
    const auto& tokens = definition().tokens;
    for (size_t id = 0; id < tokens.size(); ++id) {
      const std::string spelt = WithSpaces(tokens[id]);
      joins_words_ = joins_words_ || EndOfWord(spelt, 0) < spelt.size();
      const auto byte = ByteOfToken(tokens[id]);
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

  Status IndexScores() {
    if (definition().scores.empty()) return {};
    PC_ASSIGN_OR_RETURN(score_merges_, MergesOfScores(definition(), [this](std::string_view part) {
                          return FindBytes(part);
                        }));
    for (const ScoreMerge& merge : score_merges_.merges) {
      AddMerge(merge.rank, merge.left, merge.right, merge.merged);
    }
    score_merges_.merges = {};
    return {};
  }

  // Constant after Init.
  std::array<TokenId, 256> byte_ids_{};
  bool joins_words_ = false;  // a token has a space after something else: a text is one word
  ScoreMerges score_merges_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> MakeLlamaTokenizer(BpeDefinition definition) {
  auto tokenizer = std::make_unique<LlamaTokenizer>();
  PC_RETURN_IF_ERROR(tokenizer->Init(std::move(definition)));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

Result<std::unique_ptr<Tokenizer>> MakeTokenizer(BpeDefinition definition) {
  return definition.alphabet == BpeAlphabet::kCharacters ? MakeLlamaTokenizer(std::move(definition))
                                                         : MakeBpeTokenizer(std::move(definition));
}

std::optional<int> ByteOfToken(std::string_view written) {
  if (written.size() != 6 || !written.starts_with("<0x")) return std::nullopt;
  uint8_t value = 0;  // unsigned: no sign is read
  std::from_chars(written.data() + 3, written.data() + 5, value, 16);
  const int byte = value;
  return written == ByteToken(byte) ? std::optional(byte) : std::nullopt;
}

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

}  // namespace promptcache
