#include "common/text/vocabulary_tokenizer.h"

#include <algorithm>
#include <bit>

#include "common/hash.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr size_t kMaxShownBytes = 200;       // of the file in a message
constexpr size_t kMaxAddedTokenBytes = 256;  // looked for at every position of a text

bool IsOnlySpace(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = DecodeUtf8At(text, at);
    if (character.bytes == 0 || !IsUnicodeSpace(character.code)) return false;
    at += character.bytes;
  }
  return true;
}

}  // namespace

void WrittenTokens::Add(const std::string& written, TokenId id) {
  ids_.emplace(written, id);
  starts_[static_cast<uint8_t>(written[0])] = true;
  longest_ = std::max(longest_, written.size());
}

std::optional<Tokenizer::SpecialPrefix> WrittenTokens::LongestAt(std::string_view text) const {
  if (text.empty() || !starts_[static_cast<uint8_t>(text[0])]) return std::nullopt;
  for (size_t length = std::min(longest_, text.size()); length > 0; --length) {
    const auto found = ids_.find(text.substr(0, length));
    if (found != ids_.end()) return Tokenizer::SpecialPrefix{found->second, length};
  }
  return std::nullopt;
}

Result<std::string> VocabularyTokenizer::TokenBytes(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= bytes_.size()) {
    return InvalidArgument("token id " + std::to_string(id) + " is not in the vocabulary of " +
                           std::to_string(bytes_.size()));
  }
  return bytes_[id];
}

bool VocabularyTokenizer::IsSpecial(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < definition_.kinds.size() &&
         definition_.kinds[id] == TokenKind::kSpecial;
}

Status VocabularyTokenizer::Index(BpeDefinition definition, Speller speller,
                                  std::string_view kind) {
  definition_ = std::move(definition);
  const size_t count = definition_.tokens.size();
  if (definition_.kinds.empty()) definition_.kinds.assign(count, TokenKind::kNormal);
  if (count == 0 || definition_.kinds.size() != count) {
    return InvalidArgument("the vocabulary has " + std::to_string(count) + " tokens but " +
                           std::to_string(definition_.kinds.size()) + " kinds");
  }
  bytes_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const auto id = static_cast<TokenId>(i);
    const TokenKind token_kind = definition_.kinds[i];
    if (token_kind == TokenKind::kSpecial || token_kind == TokenKind::kUserDefined) {
      PC_RETURN_IF_ERROR(IndexAdded(id));
      continue;
    }
    Spelling spelling = speller(definition_.tokens[i]);
    bytes_[i] = std::move(spelling.bytes);
    if (spelling.in_text) vocabulary_.emplace(bytes_[i], id);
  }
  PC_RETURN_IF_ERROR(CheckIds());
  PC_RETURN_IF_ERROR(IndexMerges(speller));
  digest_ = DigestAs(kind);
  return {};
}

Status VocabularyTokenizer::IndexAdded(TokenId id) {
  const std::string& written = definition_.tokens[id];
  bytes_[id] = written;
  if (written.size() > kMaxAddedTokenBytes) {
    return InvalidArgument("the added token " + std::to_string(id) + " has " +
                           std::to_string(written.size()) + " bytes; at most " +
                           std::to_string(kMaxAddedTokenBytes) + " are supported");
  }
  if (written.empty()) return {};
  const bool space = definition_.kinds[id] == TokenKind::kUserDefined && IsOnlySpace(written);
  (space ? spaces_ : specials_).Add(written, id);
  return {};
}

Status VocabularyTokenizer::IndexMerges(Speller speller) {
  const auto find = [&](const std::string& written) -> std::optional<TokenId> {
    const Spelling spelling = speller(written);
    return spelling.in_text ? FindBytes(spelling.bytes) : std::nullopt;
  };
  for (size_t rank = 0; rank < definition_.merges.size(); ++rank) {
    const std::string& merge = definition_.merges[rank];
    const size_t space = merge.find(' ', 1);  // no token is written with a space
    const auto left = space == std::string::npos ? std::nullopt : find(merge.substr(0, space));
    const auto right = space == std::string::npos ? std::nullopt : find(merge.substr(space + 1));
    const auto merged = left && right ? FindBytes(bytes_[*left] + bytes_[*right]) : std::nullopt;
    if (!merged) {
      return InvalidArgument("merge " + std::to_string(rank) + " ('" +
                             AbbreviateUtf8(merge, kMaxShownBytes) +
                             "') does not join two tokens into a third");
    }
    merges_.Add(static_cast<uint32_t>(rank), *left, *right, *merged);
  }
  return {};
}

Status VocabularyTokenizer::CheckIds() const {
  const auto bad = [&](TokenId id) { return id < 0 || static_cast<size_t>(id) >= bytes_.size(); };
  if (definition_.unknown && bad(*definition_.unknown)) {
    return InvalidArgument("the unknown token's id is outside the vocabulary");
  }
  if (std::any_of(definition_.end.begin(), definition_.end.end(), bad)) {
    return InvalidArgument("an end token's id is outside the vocabulary");
  }
  return {};
}

std::optional<TokenId> VocabularyTokenizer::FindBytes(std::string_view bytes) const {
  const auto found = vocabulary_.find(bytes);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

VocabularyTokenizer::WordEncoder::WordEncoder(const VocabularyTokenizer& tokenizer)
    : tokenizer_(tokenizer), cache_(tokenizer.caches_.Take()) {}

VocabularyTokenizer::WordEncoder::~WordEncoder() { tokenizer_.caches_.Return(std::move(cache_)); }

void VocabularyTokenizer::WordEncoder::Append(std::string_view word) {
  if (cache_->Find(word, ids_)) return;
  parts_.clear();
  tokenizer_.EncodeWord(word, parts_);
  ids_.insert(ids_.end(), parts_.begin(), parts_.end());
  cache_->Put(word, parts_);
}

Digest256 VocabularyTokenizer::DigestAs(std::string_view kind) const {
  Blake2b hasher;
  hasher.AddString(kind).AddU64(definition_.tokens.size());
  for (const std::string& token : definition_.tokens) hasher.AddString(token);
  for (TokenKind one : definition_.kinds) hasher.AddU32(static_cast<uint32_t>(one));
  hasher.AddU64(definition_.merges.size());
  for (const std::string& merge : definition_.merges) hasher.AddString(merge);
  hasher.AddString(definition_.pretokenizer).AddU32(definition_.ignore_merges ? 1 : 0);
  hasher.AddU32(definition_.nfc ? 1 : 0).AddU32(definition_.space_before_text ? 1 : 0);
  hasher.AddU64(definition_.scores.size());
  for (const float score : definition_.scores) hasher.AddU32(std::bit_cast<uint32_t>(score));
  return hasher.Finish();
}

}  // namespace promptcache
