#include "coordinator/layout/text_encoder.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

// Bytes of white space at the front.
size_t LeadingSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = DecodeUtf8At(text, at);
    if (character.bytes == 0 || !IsUnicodeSpace(character.code)) break;
    at += character.bytes;
  }
  return at;
}

// Bytes of white space at the back.
size_t TrailingSpace(std::string_view text) {
  size_t run_start = text.size();
  bool in_run = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = DecodeUtf8At(text, at);
    const bool space = character.bytes != 0 && IsUnicodeSpace(character.code);
    if (space && !in_run) run_start = at;
    in_run = space;
    at += std::max(1U, character.bytes);
  }
  return in_run ? text.size() - run_start : 0;
}

// Comments leave several literal spans side by side; they are one text.
std::vector<TextSpan> MergeLiterals(const std::vector<TextSpan>& spans) {
  std::vector<TextSpan> merged;
  for (const TextSpan& span : spans) {
    const bool joins = span.kind == SpanKind::kLiteral && !merged.empty() &&
                       merged.back().kind == SpanKind::kLiteral;
    if (joins) {
      merged.back().text += span.text;
    } else {
      merged.push_back(span);
    }
  }
  return merged;
}

// Replaces literal white space at the two edges of the text.
void ReplaceEdges(std::vector<TextSpan>& spans, std::string_view replacement) {
  if (spans.empty()) return;
  if (spans.front().kind == SpanKind::kLiteral) {
    std::string& text = spans.front().text;
    const size_t space = LeadingSpace(text);
    if (space == text.size() && spans.size() == 1) {
      if (space > 0) text = replacement;
      return;
    }
    if (space > 0) text.replace(0, space, replacement);
  }
  if (spans.size() > 1 || spans.front().kind == SpanKind::kLiteral) {
    if (spans.back().kind != SpanKind::kLiteral) return;
    std::string& text = spans.back().text;
    const size_t space = TrailingSpace(text);
    if (space > 0) text.replace(text.size() - space, space, replacement);
  }
}

bool HasLineBreak(const XmlText& text) {
  return std::any_of(text.spans.begin(), text.spans.end(), [](const TextSpan& span) {
    return span.text.find_first_of("\n\r") != std::string::npos;
  });
}

}  // namespace

Result<std::vector<TokenId>> TextEncoder::EncodeSpans(const std::vector<TextSpan>& spans) const {
  std::vector<TextPiece> pieces;
  for (const TextSpan& span : spans) {
    if (span.kind == SpanKind::kMarker) {
      pieces.push_back({std::string((*template_)[span.marker]), true});
    } else {
      pieces.push_back({span.text, false});
    }
  }
  return EncodePieces(*tokenizer_, pieces);
}

Result<std::vector<TokenId>> TextEncoder::EncodeSchemaText(const XmlText& text,
                                                           Whitespace whitespace) const {
  if (whitespace == Whitespace::kIndent && text.blank() && HasLineBreak(text)) {
    return std::vector<TokenId>();
  }
  std::vector<TextSpan> spans = MergeLiterals(text.spans);
  if (whitespace != Whitespace::kPreserve) ReplaceEdges(spans, " ");
  return EncodeSpans(spans);
}

Result<std::vector<TokenId>> TextEncoder::EncodePromptText(const XmlText& text,
                                                           Whitespace whitespace) const {
  std::vector<TextSpan> spans = MergeLiterals(text.spans);
  if (whitespace != Whitespace::kPreserve) ReplaceEdges(spans, "");
  return EncodeSpans(spans);
}

Result<std::vector<TokenId>> TextEncoder::EncodeArgument(const std::string& value) const {
  return tokenizer_->Encode(value);
}

}  // namespace promptcache
