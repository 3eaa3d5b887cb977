#include "common/text/toy_tokenizer.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr TokenId kUnknown = 0;
constexpr TokenId kSpace = 1;
constexpr uint32_t kVocabulary = uint32_t{1} << 30;

class ToyTokenizer : public Tokenizer {
 public:
  explicit ToyTokenizer(const ToyTokenizerOptions& options) : options_(options) {
    words_ = {{kUnknown, "<unk>"}, {kSpace, "_"}};
  }

  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    if (!IsUtf8(text)) return InvalidArgument("the text is not UTF-8");
    std::vector<std::string> words;
    std::string word;
    bool edge_space = false;
    bool has_word = false;
    for (size_t i = 0; i < text.size();) {
      const Utf8Character character = DecodeUtf8At(text, i);
      if (IsUnicodeSpace(character.code)) {
        if (i == 0) words.push_back("_");
        if (!word.empty()) words.push_back(std::move(word));
        word.clear();
        edge_space = true;
      } else {
        word += text.substr(i, character.bytes);
        edge_space = false;
        has_word = true;
      }
      i += character.bytes;
    }
    if (!word.empty()) words.push_back(std::move(word));
    if (edge_space && has_word) words.push_back("_");
    std::vector<TokenId> ids;
    ids.reserve(words.size());
    for (std::string& one : words) {
      PC_ASSIGN_OR_RETURN(const TokenId id, Intern(std::move(one)));
      ids.push_back(id);
    }
    return ids;
  }

  Result<std::string> TokenBytes(TokenId id) const override {
    std::lock_guard lock(mutex_);
    const auto found = words_.find(id);
    if (found != words_.end()) return found->second;
    return InvalidArgument("token id " + std::to_string(id) + " is not in the vocabulary");
  }

  bool IsSpecial(TokenId /*id*/) const override { return false; }
  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view /*text*/) const override {
    return std::nullopt;
  }
  std::optional<TokenId> unknown_id() const override {
    return options_.has_unknown ? std::optional(kUnknown) : std::nullopt;
  }
  std::vector<TokenId> end_ids() const override { return {}; }
  uint32_t vocabulary_size() const override { return kVocabulary; }
  Digest256 digest() const override { return Blake2b().AddString("promptcache toy 2").Finish(); }

 private:
  static TokenId IdOf(const std::string& word) {
    if (word == "_") return kSpace;
    const auto* bytes = reinterpret_cast<const uint8_t*>(word.data());
    return static_cast<TokenId>(2 + Xxh3_128({bytes, word.size()}).low % (kVocabulary - 2));
  }

  Result<TokenId> Intern(std::string word) const {
    if (word.size() > options_.max_word_bytes) {
      return InvalidArgument("a word of " + std::to_string(word.size()) + " bytes; the limit is " +
                             std::to_string(options_.max_word_bytes));
    }
    const TokenId id = IdOf(word);
    std::lock_guard lock(mutex_);
    const auto [found, is_new] = words_.try_emplace(id, word);
    if (is_new || found->second == word) return id;
    return InvalidArgument("the words '" + word + "' and '" + found->second + "' have one id");
  }

  const ToyTokenizerOptions options_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<TokenId, std::string> words_;  // seen so far; guarded by mutex_
};

}  // namespace

std::unique_ptr<Tokenizer> MakeToyTokenizer(const ToyTokenizerOptions& options) {
  return std::make_unique<ToyTokenizer>(options);
}

}  // namespace promptcache
