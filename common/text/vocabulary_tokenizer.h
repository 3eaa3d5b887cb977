// What every kind of byte-pair encoding has: a vocabulary, special tokens and merges.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/text/bpe_tokenizer.h"
#include "common/text/merge_table.h"
#include "common/text/word_cache.h"

namespace promptcache {

// Tokens that are found by their written form.
class WrittenTokens {
 public:
  void Add(const std::string& written, TokenId id);  // REQUIRES: written is not empty
  // The longest one with which `text` begins.
  std::optional<Tokenizer::SpecialPrefix> LongestAt(std::string_view text) const;
  bool empty() const { return ids_.empty(); }

 private:
  std::map<std::string, TokenId, std::less<>> ids_;
  std::array<bool, 256> starts_{};  // by first byte
  size_t longest_ = 0;
};

// Leaves to the kind how a text is cut into words and a word into parts. Constant after Index.
class VocabularyTokenizer : public Tokenizer {
 public:
  Result<std::string> TokenBytes(TokenId id) const override;
  bool IsSpecial(TokenId id) const override;
  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view text) const override {
    return specials_.LongestAt(text);
  }
  std::optional<TokenId> unknown_id() const override { return definition_.unknown; }
  std::vector<TokenId> end_ids() const override { return definition_.end; }
  uint32_t vocabulary_size() const override { return static_cast<uint32_t>(bytes_.size()); }
  Digest256 digest() const override { return digest_; }

 protected:
  // What a normal token stands for, and whether text gives it.
  struct Spelling {
    std::string bytes;
    bool in_text = true;
  };
  using Speller = Spelling (*)(const std::string& written);

  // `kind` tells digests of different kinds apart. kInvalidArgument when the definition contradicts
  // itself.
  Status Index(BpeDefinition definition, Speller speller, std::string_view kind);

  // Ids during one call of Encode.
  class WordEncoder {
   public:
    explicit WordEncoder(const VocabularyTokenizer& tokenizer);
    ~WordEncoder();
    WordEncoder(const WordEncoder&) = delete;
    WordEncoder& operator=(const WordEncoder&) = delete;

    void Append(std::string_view word);
    void Append(TokenId id) { ids_.push_back(id); }
    std::vector<TokenId> TakeIds() { return std::move(ids_); }

   private:
    const VocabularyTokenizer& tokenizer_;
    std::unique_ptr<WordCache> cache_;
    std::vector<TokenId> ids_;
    std::vector<TokenId> parts_;  // of one word
  };
  // The ids of a word that nothing joins to its neighbours, into `parts`, which is empty.
  virtual void EncodeWord(std::string_view word, std::vector<TokenId>& parts) const = 0;

  const BpeDefinition& definition() const { return definition_; }
  const MergeTable& merges() const { return merges_; }
  void AddMerge(uint32_t rank, TokenId left, TokenId right, TokenId merged) {
    merges_.Add(rank, left, right, merged);
  }
  // Added tokens of white space only.
  const WrittenTokens& spaces() const { return spaces_; }
  // The token that text of these bytes gives.
  std::optional<TokenId> FindBytes(std::string_view bytes) const;

 private:
  Status IndexAdded(TokenId id);
  Status IndexMerges(Speller speller);
  Status CheckIds() const;
  Digest256 DigestAs(std::string_view kind) const;

  struct BytesHash {
    using is_transparent = void;
    size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>()(bytes); }
  };

  BpeDefinition definition_;
  std::vector<std::string> bytes_;  // by id
  // What text gives, by bytes.
  std::unordered_map<std::string, TokenId, BytesHash, std::equal_to<>> vocabulary_;
  WrittenTokens specials_;
  WrittenTokens spaces_;
  MergeTable merges_;
  Digest256 digest_;
  mutable WordCaches caches_;
};

}  // namespace promptcache
