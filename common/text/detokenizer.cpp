#include "common/text/detokenizer.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// True when more bytes could complete what begins at `at`.
bool MayGrow(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t need = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() - at >= need) return false;
  // Completing with the smallest and the largest continuation covers every legal rest.
  for (const char fill : {'\x80', '\xBF'}) {
    std::string candidate(text.substr(at));
    while (candidate.size() < need) candidate.push_back(fill);
    if (DecodeUtf8At(candidate, 0).bytes != 0) return true;
  }
  return false;
}

}  // namespace

Result<std::string> StreamingDetokenizer::Push(TokenId id) {
  if (specials_ == SpecialTokens::kDrop && tokenizer_.IsSpecial(id)) return std::string();
  PC_ASSIGN_OR_RETURN(const std::string bytes, tokenizer_.TokenBytes(id));
  pending_ += bytes;
  std::string text;
  size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Character character = DecodeUtf8At(pending_, at);
    if (character.bytes == 0 && MayGrow(pending_, at)) break;
    if (character.bytes == 0) {
      text += kReplacement;
      ++at;
      continue;
    }
    text.append(pending_, at, character.bytes);
    at += character.bytes;
  }
  pending_.erase(0, at);
  return text;
}

std::string StreamingDetokenizer::Flush() {
  if (pending_.empty()) return "";
  pending_.clear();
  return std::string(kReplacement);
}

StopMatcher::Step StopMatcher::Push(std::string_view text) {
  pending_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, pending_.find(stop));
  if (first != std::string::npos) {
    Step step{.text = pending_.substr(0, first), .stopped = true};
    pending_.clear();
    return step;
  }
  size_t keep = 0;  // the longest tail that begins a stop string
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, pending_.size()); n > keep; --n) {
      if (pending_.ends_with(std::string_view(stop).substr(0, n))) {
        keep = n;
        break;
      }
    }
  }
  Step step{.text = pending_.substr(0, pending_.size() - keep)};
  pending_.erase(0, pending_.size() - keep);
  return step;
}

std::string StopMatcher::Flush() { return std::exchange(pending_, ""); }

}  // namespace promptcache
