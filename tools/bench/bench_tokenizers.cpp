#include "tools/bench/bench_tokenizers.h"

#include <functional>
#include <map>

namespace promptcache {
namespace {

class ConstantTokenizer : public Tokenizer {
 public:
  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    return std::vector<TokenId>(text.empty() ? 0 : 1);
  }
  Result<std::string> TokenBytes(TokenId) const override { return std::string("x"); }
  bool IsSpecial(TokenId) const override { return false; }
  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view) const override {
    return std::nullopt;
  }
  std::optional<TokenId> unknown_id() const override { return 0; }
  std::vector<TokenId> end_ids() const override { return {}; }
  uint32_t vocabulary_size() const override { return 1; }
  Digest256 digest() const override { return {}; }
};

using KnownTexts = std::map<std::string, std::vector<TokenId>, std::less<>>;

class LookUpTokenizer : public Tokenizer {
 public:
  LookUpTokenizer(const Tokenizer& tokenizer, KnownTexts known)
      : tokenizer_(tokenizer), known_(std::move(known)) {}

  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    const auto found = known_.find(text);
    if (found == known_.end()) return Internal("not a text of the prompt: " + std::string(text));
    return found->second;
  }
  Result<std::string> TokenBytes(TokenId id) const override { return tokenizer_.TokenBytes(id); }
  bool IsSpecial(TokenId id) const override { return tokenizer_.IsSpecial(id); }
  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view text) const override {
    return tokenizer_.FindSpecialPrefix(text);
  }
  std::optional<TokenId> unknown_id() const override { return tokenizer_.unknown_id(); }
  std::vector<TokenId> end_ids() const override { return tokenizer_.end_ids(); }
  uint32_t vocabulary_size() const override { return tokenizer_.vocabulary_size(); }
  Digest256 digest() const override { return tokenizer_.digest(); }

 private:
  const Tokenizer& tokenizer_;
  const KnownTexts known_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakeConstantTokenizer() { return std::make_unique<ConstantTokenizer>(); }

Result<std::unique_ptr<Tokenizer>> MakeLookUpTokenizer(const Tokenizer& tokenizer,
                                                       const std::vector<std::string>& texts) {
  KnownTexts known;
  for (const std::string& text : texts) {
    PC_ASSIGN_OR_RETURN(known[text], tokenizer.Encode(text));
  }
  return std::unique_ptr<Tokenizer>(std::make_unique<LookUpTokenizer>(tokenizer, std::move(known)));
}

}  // namespace promptcache
