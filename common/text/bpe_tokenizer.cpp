#include "common/text/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <string_view>
#include <unordered_map>

#include "common/text/bpe_alphabet.h"
#include "common/text/pretokenizer.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTextBytes = size_t{64} << 20;
constexpr size_t kMaxCachedWordBytes = 64;
constexpr size_t kMaxCachedWords = 1 << 16;
constexpr TokenId kNoToken = -1;

struct Merge {
  uint32_t rank = 0;
  TokenId merged = 0;
};

uint64_t PairOf(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// A part of a word during merging: a doubly linked list, so that a merge is O(1).
struct Symbol {
  TokenId id = 0;
  int32_t previous = -1;
  int32_t next = -1;
  bool alive = true;
};

struct Candidate {
  uint32_t rank = 0;
  int32_t left = 0;
  uint64_t pair = 0;  // stale when the symbols have changed since
  TokenId merged = 0;
  // The smallest rank first; among equals the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

class BpeTokenizer : public Tokenizer {
 public:
  Status Init(BpeDefinition definition) {
    definition_ = std::move(definition);
    const size_t count = definition_.tokens.size();
    if (definition_.kinds.empty()) definition_.kinds.assign(count, TokenKind::kNormal);
    if (count == 0 || definition_.kinds.size() != count) {
      return InvalidArgument("the vocabulary has " + std::to_string(count) + " tokens but " +
                             std::to_string(definition_.kinds.size()) + " kinds");
    }
    PC_ASSIGN_OR_RETURN(pretokenizer_, Pretokenizer::Create(definition_.pretokenizer));
    PC_RETURN_IF_ERROR(IndexTokens());
    PC_RETURN_IF_ERROR(IndexMerges());
    digest_ = DigestOf(definition_);
    return {};
  }

  Result<std::vector<TokenId>> Encode(std::string_view text) const override {
    if (text.size() > kMaxTextBytes) {
      return InvalidArgument("a text of " + std::to_string(text.size()) +
                             " bytes; at most 64 MiB are tokenized at once");
    }
    PC_ASSIGN_OR_RETURN(const auto words, pretokenizer_->Split(text));
    std::vector<TokenId> ids;
    ids.reserve(text.size() / 4 + 1);
    for (std::string_view word : words) AppendWord(word, ids);
    return ids;
  }

  Result<std::string> TokenBytes(TokenId id) const override {
    if (id < 0 || static_cast<size_t>(id) >= bytes_.size()) {
      return InvalidArgument("token id " + std::to_string(id) + " is not in the vocabulary of " +
                             std::to_string(bytes_.size()));
    }
    return bytes_[id];
  }

  bool IsSpecial(TokenId id) const override {
    return id >= 0 && static_cast<size_t>(id) < definition_.kinds.size() &&
           definition_.kinds[id] == TokenKind::kSpecial;
  }

  std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view text) const override {
    if (text.empty() || !special_starts_[static_cast<uint8_t>(text[0])]) return std::nullopt;
    for (size_t length = std::min(longest_special_, text.size()); length > 0; --length) {
      const auto found = specials_.find(std::string(text.substr(0, length)));
      if (found != specials_.end()) return SpecialPrefix{found->second, length};
    }
    return std::nullopt;
  }

  std::optional<TokenId> unknown_id() const override { return definition_.unknown; }
  std::vector<TokenId> end_ids() const override { return definition_.end; }
  uint32_t vocabulary_size() const override { return static_cast<uint32_t>(bytes_.size()); }
  Digest256 digest() const override { return digest_; }

 private:
  Status IndexTokens() {
    const auto& tokens = definition_.tokens;
    bytes_.resize(tokens.size());
    for (size_t id = 0; id < tokens.size(); ++id) {
      if (definition_.kinds[id] != TokenKind::kNormal) {
        bytes_[id] = tokens[id];
        if (tokens[id].empty()) continue;
        specials_.emplace(tokens[id], static_cast<TokenId>(id));
        special_starts_[static_cast<uint8_t>(tokens[id][0])] = true;
        longest_special_ = std::max(longest_special_, tokens[id].size());
        continue;
      }
      auto bytes = AlphabetToBytes(tokens[id]);
      // A normal token outside the alphabet never arises from text; it still has a written form.
      bytes_[id] = bytes ? *bytes : tokens[id];
      if (bytes) vocabulary_.emplace(bytes_[id], static_cast<TokenId>(id));
    }
    for (int byte = 0; byte < 256; ++byte) {
      byte_ids_[byte] = FindBytes(std::string(1, static_cast<char>(byte))).value_or(kNoToken);
      // Vocabularies lack bytes that their training text lacked; without these there is no text.
      if (byte_ids_[byte] == kNoToken && byte >= ' ' && byte <= '~') {
        return InvalidArgument("the vocabulary has no token for byte " + std::to_string(byte));
      }
    }
    const auto bad = [&](TokenId id) { return id < 0 || static_cast<size_t>(id) >= tokens.size(); };
    if (definition_.unknown && bad(*definition_.unknown)) {
      return InvalidArgument("the unknown token's id is outside the vocabulary");
    }
    if (std::any_of(definition_.end.begin(), definition_.end.end(), bad)) {
      return InvalidArgument("an end token's id is outside the vocabulary");
    }
    return {};
  }

  Status IndexMerges() {
    merges_.reserve(definition_.merges.size());
    for (size_t rank = 0; rank < definition_.merges.size(); ++rank) {
      const std::string& merge = definition_.merges[rank];
      const size_t space = merge.find(' ', 1);  // a token never begins with a space in the alphabet
      const auto left = space == std::string::npos ? std::nullopt : IdOf(merge.substr(0, space));
      const auto right = space == std::string::npos ? std::nullopt : IdOf(merge.substr(space + 1));
      const auto merged = left && right ? FindBytes(bytes_[*left] + bytes_[*right]) : std::nullopt;
      if (!merged) {
        return InvalidArgument("merge " + std::to_string(rank) + " ('" + merge +
                               "') does not join two tokens into a third");
      }
      merges_.emplace(PairOf(*left, *right), Merge{static_cast<uint32_t>(rank), *merged});
    }
    return {};
  }

  std::optional<TokenId> IdOf(const std::string& written) const {
    const auto bytes = AlphabetToBytes(written);
    return bytes ? FindBytes(*bytes) : std::nullopt;
  }

  std::optional<TokenId> FindBytes(const std::string& bytes) const {
    const auto found = vocabulary_.find(bytes);
    if (found == vocabulary_.end()) return std::nullopt;
    return found->second;
  }

  void AppendWord(std::string_view word, std::vector<TokenId>& ids) const {
    const bool cacheable = word.size() <= kMaxCachedWordBytes;
    std::string key(word);
    if (cacheable) {
      std::shared_lock lock(cache_mutex_);
      const auto found = cache_.find(key);
      if (found != cache_.end()) {
        ids.insert(ids.end(), found->second.begin(), found->second.end());
        return;
      }
    }
    const size_t start = ids.size();
    const auto whole = definition_.ignore_merges ? FindBytes(key) : std::nullopt;
    if (whole) {
      ids.push_back(*whole);
    } else {
      MergeWord(word, ids);
    }
    if (!cacheable) return;
    std::unique_lock lock(cache_mutex_);
    if (cache_.size() >= kMaxCachedWords) cache_.clear();
    cache_.emplace(std::move(key), std::vector<TokenId>(ids.begin() + start, ids.end()));
  }

  void MergeWord(std::string_view word, std::vector<TokenId>& ids) const {
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    for (const char byte : word) {
      const TokenId id = byte_ids_[static_cast<uint8_t>(byte)];
      if (id == kNoToken) continue;  // its neighbours become neighbours
      const auto at = static_cast<int32_t>(symbols.size());
      symbols.push_back({.id = id, .previous = at - 1, .next = at + 1});
    }
    if (symbols.empty()) return;
    symbols.back().next = -1;
    const auto count = static_cast<int32_t>(symbols.size());
    std::priority_queue<Candidate> queue;
    const auto consider = [&](int32_t left) {
      if (left < 0 || symbols[left].next < 0) return;
      const uint64_t pair = PairOf(symbols[left].id, symbols[symbols[left].next].id);
      const auto found = merges_.find(pair);
      if (found == merges_.end()) return;
      queue.push({found->second.rank, left, pair, found->second.merged});
    };
    for (int32_t i = 0; i + 1 < count; ++i) consider(i);
    while (!queue.empty()) {
      const Candidate best = queue.top();
      queue.pop();
      Symbol& left = symbols[best.left];
      if (!left.alive || left.next < 0) continue;
      Symbol& right = symbols[left.next];
      if (PairOf(left.id, right.id) != best.pair) continue;
      left.id = best.merged;
      right.alive = false;
      left.next = right.next;
      if (left.next >= 0) symbols[left.next].previous = best.left;
      consider(left.previous);
      consider(best.left);
    }
    for (int32_t i = 0; i >= 0; i = symbols[i].next) ids.push_back(symbols[i].id);
  }

  static Digest256 DigestOf(const BpeDefinition& definition) {
    Blake2b hasher;
    hasher.AddString("promptcache byte-level bpe 2").AddU64(definition.tokens.size());
    for (const std::string& token : definition.tokens) hasher.AddString(token);
    for (TokenKind kind : definition.kinds) hasher.AddU32(static_cast<uint32_t>(kind));
    hasher.AddU64(definition.merges.size());
    for (const std::string& merge : definition.merges) hasher.AddString(merge);
    hasher.AddString(definition.pretokenizer).AddU32(definition.ignore_merges ? 1 : 0);
    return hasher.Finish();
  }

  // Constant after Init.
  BpeDefinition definition_;
  std::unique_ptr<const Pretokenizer> pretokenizer_;
  std::vector<std::string> bytes_;                       // by id
  std::unordered_map<std::string, TokenId> vocabulary_;  // normal tokens by their bytes
  std::unordered_map<std::string, TokenId> specials_;    // by written form
  std::array<bool, 256> special_starts_{};
  size_t longest_special_ = 0;
  std::array<TokenId, 256> byte_ids_{};  // or kNoToken
  std::unordered_map<uint64_t, Merge> merges_;
  Digest256 digest_;

  // Guarded by cache_mutex_: recent words and their ids.
  mutable std::shared_mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<TokenId>> cache_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> MakeBpeTokenizer(BpeDefinition definition) {
  auto tokenizer = std::make_unique<BpeTokenizer>();
  PC_RETURN_IF_ERROR(tokenizer->Init(std::move(definition)));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace promptcache
