// PML texts to token ids: white space rules, role markers, tokenizer (design of PML, sections 2, 4,
// 5).
#pragma once

#include <string>
#include <vector>

#include "common/text/templates.h"
#include "common/text/tokenizer.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

// Refers to a tokenizer and a template that outlive it. Thread safe.
class TextEncoder {
 public:
  TextEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat_template)
      : tokenizer_(&tokenizer), template_(&chat_template) {}

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // The same with another tokenizer.
  TextEncoder With(const Tokenizer& tokenizer) const { return {tokenizer, *template_}; }

  // A text of a schema; empty when the rules drop it.
  Result<std::vector<TokenId>> EncodeSchemaText(const XmlText& text, Whitespace whitespace) const;
  // A text of a prompt, stripped at its edges unless white space is preserved.
  Result<std::vector<TokenId>> EncodePromptText(const XmlText& text, Whitespace whitespace) const;
  Result<std::vector<TokenId>> EncodeArgument(const std::string& value) const;

 private:
  Result<std::vector<TokenId>> EncodeSpans(const std::vector<TextSpan>& spans) const;

  const Tokenizer* tokenizer_;
  const ChatTemplate* template_;
};

}  // namespace promptcache
