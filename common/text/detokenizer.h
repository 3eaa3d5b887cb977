// Token ids to text while they are generated, and stop strings in that text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/text/tokenizer.h"

namespace promptcache {

enum class SpecialTokens : uint8_t { kDrop, kKeep };

// Not thread safe; one per answer. The tokenizer must outlive it.
class StreamingDetokenizer {
 public:
  explicit StreamingDetokenizer(const Tokenizer& tokenizer,
                                SpecialTokens specials = SpecialTokens::kDrop)
      : tokenizer_(tokenizer), specials_(specials) {}

  // The text that is certain after this token; the bytes of an incomplete character wait. Bytes
  // that cannot become UTF-8 are U+FFFD, one for each maximal subpart, as `transformers` decodes
  // them. kInvalidArgument for an id outside the vocabulary.
  Result<std::string> Push(TokenId id);
  // What still waits, as one U+FFFD; empty when nothing does.
  std::string Flush();

 private:
  const Tokenizer& tokenizer_;
  const SpecialTokens specials_;
  std::string pending_;
};

// Looks for stop strings in a text that arrives in pieces. Text that may be the beginning of a stop
// string is withheld until that is decided. Not thread safe.
class StopMatcher {
 public:
  // REQUIRES: no stop string is empty.
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  struct Step {
    std::string text;      // may be shown now
    bool stopped = false;  // a stop string is complete; text ends before it
  };
  // The stop string that is complete first wins, the longest among those that end together: where
  // the text is cut into pieces makes no difference. REQUIRES: it has not stopped yet.
  Step Push(std::string_view text);
  // The withheld tail, when the answer ends without a stop string.
  std::string Flush();

 private:
  const std::vector<std::string> stops_;
  std::string pending_;
};

}  // namespace promptcache
