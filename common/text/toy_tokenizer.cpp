#include "common/text/toy_tokenizer.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr TokenId kUnknown = 0;

class ToyTokenizer : public Tokenizer {
 public:
  ToyTokenizer() {
    Intern("<unk>");
    Intern("_");
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
    for (const std::string& one : words) ids.push_back(Intern(one));
    return ids;
  }

  Result<std::string> TokenBytes(TokenId id) const override {
    std::lock_guard lock(mutex_);
    if (id < 0 || static_cast<size_t>(id) >= words_.size()) {
      return InvalidArgument("token id " + std::to_string(id) + " is not in the vocabulary");
    }
    return words_[id];
  }

  bool IsSpecial(TokenId /*id*/) const override { return false; }
  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view /*text*/) const override {
    return std::nullopt;
  }
  std::optional<TokenId> unknown_id() const override { return kUnknown; }
  std::vector<TokenId> end_ids() const override { return {}; }
  uint32_t vocabulary_size() const override {
    std::lock_guard lock(mutex_);
    return static_cast<uint32_t>(words_.size());
  }
  Digest256 digest() const override { return Blake2b().AddString("promptcache toy 1").Finish(); }

 private:
  TokenId Intern(const std::string& word) const {
    std::lock_guard lock(mutex_);
    const auto [found, is_new] = ids_.emplace(word, static_cast<TokenId>(words_.size()));
    if (is_new) words_.push_back(word);
    return found->second;
  }

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, TokenId> ids_;
  mutable std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakeToyTokenizer() { return std::make_unique<ToyTokenizer>(); }

}  // namespace promptcache
