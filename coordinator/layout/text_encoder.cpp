#include "coordinator/layout/text_encoder.h"

namespace promptcache {
namespace {

// `text` with the white space at its two edges, if it was written literally, replaced.
std::vector<TextSpan> WithEdges(const XmlText& text, std::string_view replacement) {
  std::vector<TextSpan> spans = text.spans;
  TextSpan& last = spans.back();
  if (last.tail_space > 0) {
    last.text.replace(last.text.size() - last.tail_space, last.tail_space, replacement);
  }
  if (text.blank()) return spans;  // one span, replaced as a whole
  TextSpan& first = spans.front();
  if (first.head_space > 0) first.text.replace(0, first.head_space, replacement);
  return spans;
}

bool HasLineBreak(const XmlText& text) {
  return text.spans.front().text.find_first_of("\n\r") != std::string::npos;
}

}  // namespace

Result<std::vector<TokenId>> TextEncoder::EncodeSpans(const std::vector<TextSpan>& spans) const {
  std::vector<TextPiece> pieces;
  for (const TextSpan& span : spans) {
    if (span.marker) {
      pieces.push_back({std::string((*template_)[*span.marker]), true});
    } else {
      pieces.push_back({span.text, false});
    }
  }
  return EncodePieces(*tokenizer_, pieces);
}

Result<std::vector<TokenId>> TextEncoder::EncodeSchemaText(const XmlText& text,
                                                           Whitespace whitespace) const {
  if (text.spans.empty()) return std::vector<TokenId>();  // of an empty file
  if (whitespace == Whitespace::kPreserve) return EncodeSpans(text.spans);
  if (whitespace == Whitespace::kIndent && text.blank() && HasLineBreak(text)) {
    return std::vector<TokenId>();
  }
  return EncodeSpans(WithEdges(text, " "));
}

Result<std::vector<TokenId>> TextEncoder::EncodePromptText(const XmlText& text,
                                                           Whitespace whitespace) const {
  return EncodeSpans(whitespace == Whitespace::kPreserve ? text.spans : WithEdges(text, ""));
}

Result<std::vector<TokenId>> TextEncoder::EncodeArgument(const std::string& value) const {
  return tokenizer_->Encode(value);
}

}  // namespace promptcache
