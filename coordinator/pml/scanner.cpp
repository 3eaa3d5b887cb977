#include "coordinator/pml/scanner.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// By RoleMarker: as long as the marker itself.
constexpr std::string_view kInstructions[kRoleMarkers] = {
    "<?sysO?>", "<?sysCl?>", "<?sysEm?>", "<?uO?>", "<?uCl?>", "<?asstOpn?>", "<?asstClos?>"};

class Scanner {
 public:
  Scanner(const PmlSource& source, Diagnostics& diagnostics)
      : text_(source.text()), diagnostics_(diagnostics) {}

  ScannedDocument Run() {
    document_.xml = std::string(text_);
    const size_t bad = FirstInvalidUtf8(text_);
    if (bad != text_.size()) {
      diagnostics_.Error(bad, "the document is not UTF-8");
      return {};
    }
    if (text_.starts_with(kByteOrderMark)) {
      Add(PieceKind::kDeclaration, kByteOrderMark.size());
      document_.xml.replace(0, kByteOrderMark.size(), "   ");
      first_ = kByteOrderMark.size();
    }
    while (at_ < text_.size()) {
      if (text_[at_] == '<') {
        ScanMarkup();
      } else {
        Add(PieceKind::kText, NextOpening() - at_);
      }
    }
    if (first_ > 0) document_.xml.erase(0, first_);
    return std::move(document_);
  }

 private:
  void Add(PieceKind kind, size_t length) {
    // Text behind a stray '<' belongs to the text before it.
    if (kind == PieceKind::kText && !document_.pieces.empty() &&
        document_.pieces.back().kind == PieceKind::kText) {
      document_.pieces.back().end += length;
    } else {
      document_.pieces.push_back({.kind = kind, .begin = at_, .end = at_ + length});
    }
    at_ += length;
  }

  size_t NextOpening() const { return std::min(text_.find('<', at_), text_.size()); }

  bool Here(std::string_view literal) const { return text_.substr(at_).starts_with(literal); }

  // Length up to and with `end`; without it the rest, which the XML parser will refuse.
  size_t LengthTo(std::string_view end, size_t from) const {
    const size_t found = text_.find(end, from);
    return (found == std::string_view::npos ? text_.size() : found + end.size()) - at_;
  }

  void ScanMarkup() {
    if (Here("<!--")) return Add(PieceKind::kComment, LengthTo("-->", at_ + 4));
    if (Here("<![CDATA[")) return Add(PieceKind::kCData, LengthTo("]]>", at_ + 9));
    if (Here("<!")) {
      diagnostics_.Error(at_, "a DOCTYPE or other declaration is not allowed");
      return Add(PieceKind::kDeclaration, LengthTo(">", at_ + 2));
    }
    if (Here("<?")) return ScanInstruction();
    if (ScanMarker()) return;
    ScanTag();
  }

  void ScanInstruction() {
    const size_t length = LengthTo("?>", at_ + 2);
    const std::string_view whole = text_.substr(at_, length);
    const bool is_declaration = at_ == first_ && whole.starts_with("<?xml") && whole.size() > 5 &&
                                IsUnicodeSpace(static_cast<unsigned char>(whole[5]));
    if (!is_declaration) {
      diagnostics_.Error(at_, "processing instructions are not allowed");
    } else {
      CheckEncoding(whole);
    }
    Add(PieceKind::kDeclaration, length);
  }

  void CheckEncoding(std::string_view declaration) {
    const size_t name = declaration.find("encoding");
    if (name == std::string_view::npos) return;
    const size_t open = declaration.find_first_of("\"'", name);
    if (open == std::string_view::npos) return;  // the XML parser refuses it
    const size_t close = declaration.find(declaration[open], open + 1);
    if (close == std::string_view::npos) return;
    std::string encoding(declaration.substr(open + 1, close - open - 1));
    std::transform(encoding.begin(), encoding.end(), encoding.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (encoding != "UTF-8") {
      diagnostics_.Error(at_ + open + 1, "the encoding '" + encoding + "' is not UTF-8");
    }
  }

  bool ScanMarker() {
    for (size_t m = 0; m < kRoleMarkers; ++m) {
      const auto marker = static_cast<RoleMarker>(m);
      const std::string_view written = RoleMarkerText(marker);
      if (!Here(written)) continue;
      document_.xml.replace(at_, written.size(), kInstructions[m]);
      Add(PieceKind::kMarker, written.size());
      document_.pieces.back().marker = marker;
      return true;
    }
    return false;
  }

  void ScanTag() {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    const bool closes = next == '/';
    const bool names = closes || next == '_' || next == ':' || (next >= 'A' && next <= 'Z') ||
                       (next >= 'a' && next <= 'z') || static_cast<unsigned char>(next) >= 0x80;
    if (!names) return Add(PieceKind::kText, 1);  // the XML parser refuses it
    char quote = '\0';
    size_t end = at_ + 1;
    for (; end < text_.size(); ++end) {
      const char c = text_[end];
      if (quote != '\0') {
        if (c == quote) quote = '\0';
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>') {
        break;
      }
    }
    const bool empty = !closes && end < text_.size() && text_[end - 1] == '/';
    const size_t length = std::min(end + 1, text_.size()) - at_;
    Add(closes ? PieceKind::kCloseTag : empty ? PieceKind::kEmptyTag : PieceKind::kOpenTag, length);
  }

  const std::string_view text_;
  Diagnostics& diagnostics_;
  ScannedDocument document_;
  size_t first_ = 0;  // where the document begins, after a byte order mark
  size_t at_ = 0;
};

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code >> 12));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | code >> 18));
    out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

// The character of "#x41", "#65", "lt" ...; the XML parser has accepted the reference.
uint32_t ReferenceCode(std::string_view name) {
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "amp") return '&';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  uint32_t code = 0xFFFD;
  const bool hex = name.starts_with("#x");
  const std::string_view digits = name.substr(std::min<size_t>(hex ? 2 : 1, name.size()));
  std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  return code;
}

}  // namespace

ScannedDocument ScanDocument(const PmlSource& source, Diagnostics& diagnostics) {
  return Scanner(source, diagnostics).Run();
}

std::vector<DecodedSpan> DecodeText(std::string_view raw) {
  std::vector<DecodedSpan> spans;
  size_t at = 0;
  const auto last = [&](bool verbatim) -> std::string& {
    if (spans.empty() || spans.back().verbatim != verbatim) spans.push_back({{}, verbatim, at});
    return spans.back().text;
  };
  for (; at < raw.size(); ++at) {
    const char c = raw[at];
    const size_t end = c == '&' ? raw.find(';', at) : std::string_view::npos;
    if (end != std::string_view::npos) {
      AppendUtf8(ReferenceCode(raw.substr(at + 1, end - at - 1)), last(true));
      at = end;
    } else if (c == '\r') {
      last(false).push_back('\n');
      if (at + 1 < raw.size() && raw[at + 1] == '\n') ++at;
    } else {
      last(false).push_back(c);
    }
  }
  return spans;
}

}  // namespace promptcache
