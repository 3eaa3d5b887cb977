#include "coordinator/pml/scanner.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

// By RoleMarker: as long as the marker itself.
constexpr std::string_view kInstructions[kRoleMarkers] = {
    "<?sysO?>", "<?sysCl?>", "<?sysEm?>", "<?uO?>", "<?uCl?>", "<?asstOpn?>", "<?asstClos?>"};

constexpr std::string_view kXmlSpace = " \t\r\n";

bool IsXmlSpace(char c) { return kXmlSpace.find(c) != std::string_view::npos; }

bool MayBeginName(char c) {
  return c == '_' || c == ':' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The value of a pseudo-attribute of the XML declaration, with its offset; empty when it has none.
std::pair<std::string_view, size_t> DeclaredValue(std::string_view declaration,
                                                  std::string_view name) {
  const size_t at = declaration.find(name);
  if (at == std::string_view::npos) return {};
  const size_t open = declaration.find_first_of("\"'", at);
  if (open == std::string_view::npos) return {};
  const size_t close = declaration.find(declaration[open], open + 1);
  if (close == std::string_view::npos) return {};  // the XML parser refuses it
  return {declaration.substr(open + 1, close - open - 1), open + 1};
}

class Scanner {
 public:
  Scanner(const PmlSource& source, const PmlLimits& limits, Diagnostics& diagnostics)
      : text_(source.text()),
        limits_(limits),
        diagnostics_(diagnostics),
        first_(source.begin()),
        at_(source.begin()) {}

  ScannedDocument Run() {
    const size_t bad = FirstInvalidUtf8(text_);
    if (bad != text_.size()) {
      diagnostics_.Error(bad, "encoding", "the document is not UTF-8");
      return {};
    }
    document_.xml = std::string(text_.substr(first_));
    while (at_ < text_.size() && document_.pieces.size() <= limits_.pieces) {
      if (text_[at_] == '<') {
        ScanMarkup();
      } else {
        Add(PieceKind::kText, NextOpening() - at_);
      }
    }
    if (document_.pieces.size() > limits_.pieces) {
      diagnostics_.Error(document_.pieces.back().begin, "limit-pieces",
                         "more than " + std::to_string(limits_.pieces) +
                             " tags, comments, CDATA sections, role markers and texts");
    }
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
      diagnostics_.Error(at_, "doctype", "a DOCTYPE or other declaration is not allowed");
      return Add(PieceKind::kDeclaration, LengthTo(">", at_ + 2));
    }
    if (Here("<?")) return ScanInstruction();
    if (ScanMarker()) return;
    ScanTag();
  }

  void ScanInstruction() {
    const size_t length = LengthTo("?>", at_ + 2);
    const std::string_view whole = text_.substr(at_, length);
    if (at_ == first_ && whole.starts_with("<?xml") && whole.size() > 5 && IsXmlSpace(whole[5])) {
      CheckDeclaration(whole);
    } else {
      diagnostics_.Error(at_, "instruction", "processing instructions are not allowed");
    }
    Add(PieceKind::kDeclaration, length);
  }

  void CheckDeclaration(std::string_view declaration) {
    const auto [version, version_at] = DeclaredValue(declaration, "version");
    if (!version.empty() && version != "1.0") {
      diagnostics_.Error(at_ + version_at, "xml-version",
                         "XML " + Quoted(version) + " is not XML '1.0'");
    }
    const auto [encoding, encoding_at] = DeclaredValue(declaration, "encoding");
    std::string upper(encoding);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (!upper.empty() && upper != "UTF-8") {
      diagnostics_.Error(at_ + encoding_at, "encoding",
                         "the encoding " + Quoted(encoding) + " is not UTF-8");
    }
  }

  bool ScanMarker() {
    for (size_t m = 0; m < kRoleMarkers; ++m) {
      const auto marker = static_cast<RoleMarker>(m);
      const std::string_view written = RoleMarkerText(marker);
      if (!Here(written)) continue;
      document_.xml.replace(at_ - first_, written.size(), kInstructions[m]);
      Add(PieceKind::kMarker, written.size());
      document_.pieces.back().marker = marker;
      return true;
    }
    return false;
  }

  void ScanTag() {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    const bool closes = next == '/';
    if (!closes && !MayBeginName(next)) return Add(PieceKind::kText, 1);  // not well-formed
    char quote = '\0';
    size_t values = 0;
    size_t end = at_ + 1;
    for (; end < text_.size(); ++end) {
      const char c = text_[end];
      if (quote != '\0') {
        if (c == quote) quote = '\0';
      } else if (c == '"' || c == '\'') {
        quote = c;
        ++values;
      } else if (c == '>') {
        break;
      }
    }
    // Before the XML parser collects them.
    if (values > limits_.attributes) {
      diagnostics_.Error(at_, "limit-attributes",
                         "an element with " + std::to_string(values) +
                             " attributes; the limit is " + std::to_string(limits_.attributes));
    }
    const bool empty = !closes && end < text_.size() && text_[end - 1] == '/';
    const size_t length = std::min(end + 1, text_.size()) - at_;
    Add(closes ? PieceKind::kCloseTag : empty ? PieceKind::kEmptyTag : PieceKind::kOpenTag, length);
  }

  const std::string_view text_;
  const PmlLimits& limits_;
  Diagnostics& diagnostics_;
  ScannedDocument document_;
  const size_t first_;
  size_t at_;
};

}  // namespace

ScannedDocument ScanDocument(const PmlSource& source, const PmlLimits& limits,
                             Diagnostics& diagnostics) {
  return Scanner(source, limits, diagnostics).Run();
}

std::vector<std::pair<std::string_view, size_t>> FindAttributes(std::string_view tag) {
  std::vector<std::pair<std::string_view, size_t>> found;
  size_t at = tag.find_first_of(kXmlSpace);
  while (at != std::string_view::npos) {
    at = tag.find_first_not_of(kXmlSpace, at);
    if (at == std::string_view::npos || tag[at] == '/' || tag[at] == '>') break;
    const size_t name_end = tag.find_first_of(" \t\r\n=", at);
    const size_t open = tag.find_first_of("\"'", at);
    if (name_end == std::string_view::npos || open == std::string_view::npos) break;
    found.emplace_back(tag.substr(at, name_end - at), at);
    at = tag.find(tag[open], open + 1);
    if (at != std::string_view::npos) ++at;
  }
  return found;
}

}  // namespace promptcache
