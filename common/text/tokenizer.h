// Text to token ids and back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/types.h"

namespace promptcache {

// A tokenizer is immutable after construction and safe for concurrent use.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text` as `transformers`' encode(text, add_special_tokens=False) gives them, except that
  // special and added tokens never arise from text: "</s>" is tokenized as those characters. Only
  // added tokens of nothing but white space do, as there. A character that the vocabulary cannot
  // spell is dropped, as there. Errors: kInvalidArgument when text is not UTF-8 or a limit of the
  // tokenizer is exceeded.
  virtual Result<std::vector<TokenId>> Encode(std::string_view text) const = 0;

  // The bytes of one token (which may be a part of a UTF-8 character); special tokens give their
  // written form. kInvalidArgument for an id outside the vocabulary.
  virtual Result<std::string> TokenBytes(TokenId id) const = 0;

  virtual bool IsSpecial(TokenId id) const = 0;
  // The longest special or added token ("<|im_end|>"), but for those of white space, with whose
  // written form `text` begins.
  struct SpecialPrefix {
    TokenId id = 0;
    size_t bytes = 0;
  };
  virtual std::optional<SpecialPrefix> FindSpecialPrefix(std::string_view text) const = 0;

  virtual std::optional<TokenId> unknown_id() const = 0;
  virtual std::vector<TokenId> end_ids() const = 0;  // generation stops on these
  virtual uint32_t vocabulary_size() const = 0;
  // Digest of everything that decides Encode's output; part of the identity.
  virtual Digest256 digest() const = 0;
};

// A text that may contain template pieces. Special tokens split the text only inside template
// pieces; ordinary pieces next to each other, and template characters that are no special token,
// are tokenized as one string (design/pml.md section 5).
struct TextPiece {
  std::string text;
  bool from_template = false;
  bool operator==(const TextPiece&) const = default;
};
Result<std::vector<TokenId>> EncodePieces(const Tokenizer& tokenizer,
                                          const std::vector<TextPiece>& pieces);

}  // namespace promptcache
