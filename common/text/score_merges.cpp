#include "common/text/score_merges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/text/llama_tokenizer.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr size_t kMaxTokenBytes = 256;  // a token is cut between any two characters

class Collector {
 public:
  Collector(const BpeDefinition& definition,
            const std::function<std::optional<TokenId>(std::string_view)>& find)
      : definition_(definition), find_(find) {}

  // Every way to cut the token in two.
  Status Add(TokenId id, uint32_t rank) {
    const std::string token = WithSpaces(definition_.tokens[id]);
    // What text gives another token, or is not text.
    if (find_(token) != id || !IsUtf8(token)) return {};
    if (token.size() > kMaxTokenBytes) {
      return InvalidArgument("the token " + std::to_string(id) + " has " +
                             std::to_string(token.size()) + " bytes; at most " +
                             std::to_string(kMaxTokenBytes) + " are supported");
    }
    for (size_t cut = DecodeUtf8At(token, 0).bytes; cut < token.size();
         cut += DecodeUtf8At(token, cut).bytes) {
      const auto left = PartOf(std::string_view(token).substr(0, cut));
      const auto right = left ? PartOf(std::string_view(token).substr(cut)) : std::nullopt;
      if (!right) continue;
      collected_.merges.push_back({rank, *left, *right, id});
      if (definition_.kinds[id] != TokenKind::kUnused) continue;
      if (!collected_.parts_of_unused.emplace(id, ScoreMerges::Parts{*left, *right}).second) {
        return Unimplemented("the unused token " + std::to_string(id) +
                             " can be cut in more than one way");
      }
    }
    return {};
  }

  ScoreMerges Take() { return std::move(collected_); }

 private:
  std::optional<TokenId> PartOf(std::string_view text) {
    const auto id = find_(text);
    if (id || DecodeUtf8At(text, 0).bytes < text.size()) return id;
    const auto next = static_cast<TokenId>(definition_.tokens.size() + collected_.unspelt.size());
    const auto [symbol, added] = collected_.symbols.emplace(text, next);
    if (added) collected_.unspelt.emplace_back(text);
    return symbol->second;
  }

  const BpeDefinition& definition_;
  const std::function<std::optional<TokenId>(std::string_view)>& find_;
  ScoreMerges collected_;
};

}  // namespace

Result<ScoreMerges> MergesOfScores(
    const BpeDefinition& definition,
    const std::function<std::optional<TokenId>(std::string_view)>& find) {
  const std::vector<float>& scores = definition.scores;
  const bool finite =
      std::all_of(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); });
  if (scores.size() != definition.tokens.size() || !finite || !definition.merges.empty()) {
    return InvalidArgument("the vocabulary has " + std::to_string(definition.tokens.size()) +
                           " tokens but not one finite score for each, and no merges");
  }
  std::vector<TokenId> best(scores.size());
  std::iota(best.begin(), best.end(), 0);
  std::stable_sort(best.begin(), best.end(),
                   [&](TokenId a, TokenId b) { return scores[a] > scores[b]; });
  Collector collector(definition, find);
  uint32_t rank = 0;
  for (size_t i = 0; i < best.size(); ++i) {
    if (i > 0 && scores[best[i]] != scores[best[i - 1]]) ++rank;
    PC_RETURN_IF_ERROR(collector.Add(best[i], rank));
  }
  return collector.Take();
}

}  // namespace promptcache
