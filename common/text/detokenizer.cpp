#include "common/text/detokenizer.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

Result<std::string> StreamingDetokenizer::Push(TokenId id) {
  if (specials_ == SpecialTokens::kDrop && tokenizer_.IsSpecial(id)) return std::string();
  PC_ASSIGN_OR_RETURN(const std::string bytes, tokenizer_.TokenBytes(id));
  pending_ += bytes;
  std::string text;
  size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Character character = DecodeUtf8At(pending_, at);
    if (character.bytes == 0) {
      const Utf8Fault fault = Utf8FaultAt(pending_, at);
      if (fault.may_grow) break;
      text += kReplacement;
      at += fault.bytes;
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
  size_t first_end = std::string::npos;
  size_t begin = 0;
  for (const std::string& stop : stops_) {
    const size_t found = pending_.find(stop);
    if (found == std::string::npos) continue;
    const size_t end = found + stop.size();
    if (end < first_end || (end == first_end && found < begin)) first_end = end, begin = found;
  }
  if (first_end != std::string::npos) {
    Step step{.text = pending_.substr(0, begin), .stopped = true};
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
