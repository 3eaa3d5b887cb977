#include "coordinator/pml/scanner.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text/utf8.h"
#include "coordinator/pml/markup.h"

namespace promptcache {
namespace {

constexpr PieceKind KindOf(TagKind kind) {
  return kind == TagKind::kOpen    ? PieceKind::kOpenTag
         : kind == TagKind::kClose ? PieceKind::kCloseTag
                                   : PieceKind::kEmptyTag;
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
  Scanner(const PmlSource& source, std::string_view text, const PmlLimits& limits,
          Diagnostics& diagnostics)
      : source_(source),
        text_(text),
        limits_(limits),
        diagnostics_(diagnostics),
        first_(source.begin()),
        at_(source.begin()) {}

  ScannedDocument Run() {
    while (at_ < text_.size() && !stopped_) {
      if (text_[at_] == '<') {
        ScanMarkup();
      } else {
        ScanText();
      }
      if (pieces_.size() > limits_.pieces) {
        Stop(pieces_.back().begin, PmlId::kLimitPieces, limits_.pieces);
      }
    }
    if (diagnostics_.ok()) CheckEnd();
    return std::move(document_);
  }

 private:
  // Nobody reads where the errors are that are only counted; and somewhere even counting ends.
  template <typename... Args>
  void Report(size_t offset, PmlId id, const Args&... args) {
    if (++mistakes_ > limits_.pieces) stopped_ = true;
    diagnostics_.Report(offset, id,
                        diagnostics_.full() ? std::string() : Enclosing(source_, pieces_, offset),
                        args...);
  }

  // For mistakes behind which nothing can be trusted, and for limits.
  template <typename... Args>
  void Stop(size_t offset, PmlId id, const Args&... args) {
    Report(offset, id, args...);
    stopped_ = true;
  }

  void Add(PieceKind kind, size_t length) {
    // Text behind a stray '<' belongs to the text before it.
    if (kind == PieceKind::kText && !pieces_.empty() && pieces_.back().kind == PieceKind::kText) {
      pieces_.back().end += length;
    } else {
      pieces_.push_back({.kind = kind, .begin = at_, .end = at_ + length});
    }
    if (IsForTheParser(pieces_.back())) document_.xml += text_.substr(at_, length);
    at_ += length;
  }

  bool Here(std::string_view literal) const { return text_.substr(at_).starts_with(literal); }

  // Of an element's content; what encloses everything is judged only while all was right so far.
  void CheckInside(size_t offset, std::string_view what) {
    if (open_.empty() && diagnostics_.ok()) Report(offset, PmlId::kOutsideRoot, what);
  }

  void ScanText() {
    const size_t from = at_;
    size_t at = FirstSpecial(text_, from);
    while (at < text_.size() && text_[at] != '<' && !stopped_) {
      at = FirstSpecial(text_, CheckSpecial(at));
    }
    if (open_.empty()) {
      const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(from);
      const auto end = text_.begin() + static_cast<std::ptrdiff_t>(at);
      const auto content = std::find_if_not(begin, end, IsXmlSpace);
      if (content != end) CheckInside(static_cast<size_t>(content - text_.begin()), "text");
    }
    Add(PieceKind::kText, at - from);
  }

  // Reports what is wrong with the character at `at`; one past it and what it begins.
  size_t CheckSpecial(size_t at) {
    if (text_[at] == '&') return CheckReference(at);
    if (text_[at] == ']') {
      if (text_.substr(at).starts_with(kCDataClose)) Report(at, PmlId::kCDataEnd);
      return at + 1;
    }
    CheckCharacters(at, at + CharacterBytes(text_, at));
    return at + 1;
  }

  size_t CheckReference(size_t at) {
    if (const auto reference = ReferenceAt(text_, at)) return at + reference->bytes;
    constexpr size_t kLongestShown = 16;
    const size_t length = text_.substr(at, kLongestShown).find_first_of("; \t\r\n<") + 1;
    const bool named = length > 2 && text_[at + length - 1] == ';';
    const std::string written = named ? Quoted(text_.substr(at, length)) : "";
    if (named && text_[at + 1] == '#') {
      Report(at, PmlId::kIllegalCharacter, written);
    } else {
      Report(at, PmlId::kBareAmpersand, named ? " (" + written + " is not known)" : "");
    }
    return at + 1;
  }

  void CheckCharacters(size_t from, size_t to) {
    const std::string_view text = text_.substr(0, to);
    for (size_t at = FirstIllegalCharacter(text, from); at < to && !stopped_;
         at = FirstIllegalCharacter(text, at + 1)) {
      const auto code = static_cast<uint32_t>(DecodeUtf8At(text_, at).code);
      Report(at, PmlId::kIllegalCharacter, fmt::format("U+{:04X}", code));
    }
  }

  void ScanMarkup() {
    if (Here(kCommentOpen)) return ScanSection(PieceKind::kComment, kCommentOpen, kCommentClose);
    if (Here(kCDataOpen)) return ScanSection(PieceKind::kCData, kCDataOpen, kCDataClose);
    if (Here("<!DOCTYPE")) return Stop(at_, PmlId::kDoctype);
    if (Here("<?")) return ScanInstruction();
    if (const auto marker = MarkerAt(text_, at_)) return ScanMarker(*marker);
    ScanTag();
  }

  // A comment or CDATA section.
  void ScanSection(PieceKind kind, std::string_view open, std::string_view close) {
    const bool is_comment = kind == PieceKind::kComment;
    const size_t inside = at_ + open.size();
    const size_t end = text_.find(close, inside);
    if (end == std::string_view::npos) {
      const std::string_view what = is_comment ? "comment" : "CDATA section";
      return Stop(at_, PmlId::kUnclosedSection, what, close);
    }
    if (is_comment) {
      const size_t dashes = text_.find("--", inside);
      if (dashes < end) Report(dashes, PmlId::kDashesInComment);
    } else {
      CheckInside(at_, "a CDATA section");
    }
    CheckCharacters(inside, end);
    Add(kind, end + close.size() - at_);
  }

  void ScanInstruction() {
    const size_t next = std::min(text_.find('<', at_ + 2), text_.size());
    const size_t end = text_.substr(0, next).find("?>", at_ + 2);
    const size_t length = end == std::string_view::npos ? 2 : end + 2 - at_;
    const std::string_view whole = text_.substr(at_, length);
    if (at_ == first_ && whole.starts_with("<?xml") && whole.size() > 5 && IsXmlSpace(whole[5])) {
      CheckDeclaration(whole);
      CheckCharacters(at_, at_ + length);
      Add(PieceKind::kDeclaration, length);
    } else {
      Report(at_, PmlId::kInstruction);
      Add(PieceKind::kText, length);
    }
  }

  void CheckDeclaration(std::string_view declaration) {
    const auto [version, version_at] = DeclaredValue(declaration, "version");
    if (!version.empty() && version != "1.0") {
      Report(at_ + version_at, PmlId::kXmlVersion, Quoted(version));
    }
    const auto [encoding, encoding_at] = DeclaredValue(declaration, "encoding");
    std::string upper(encoding);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (!upper.empty() && upper != "UTF-8") {
      Report(at_ + encoding_at, PmlId::kEncoding, Quoted(encoding));
    }
  }

  void ScanMarker(RoleMarker marker) {
    if (open_.empty() && diagnostics_.ok()) Report(at_, PmlId::kStrayMarker);
    Add(PieceKind::kMarker, RoleMarkerText(marker).size());
    pieces_.back().marker = marker;
  }

  void ScanTag() {
    if (const auto fault = ReadTag(text_, at_, limits_, tag_)) {
      const bool is_limit = fault->id != PmlId::kMalformedTag && fault->id != PmlId::kBareLessThan;
      Report(fault->offset, fault->id, fault->what);
      stopped_ = stopped_ || is_limit;
      return Add(PieceKind::kText, 1);
    }
    if (tag_.kind == TagKind::kClose) {
      Close();
    } else {
      CheckElement();
    }
    CheckCharacters(at_, tag_.end);
    const auto piece = static_cast<uint32_t>(pieces_.size());
    Add(KindOf(tag_.kind), tag_.end - at_);
    if (tag_.kind == TagKind::kOpen) open_.push_back(piece);
    root_seen_ = true;
  }

  void CheckElement() {
    if (root_seen_) CheckInside(at_, "a second element");
    if (++elements_ > limits_.elements) Stop(at_, PmlId::kLimitElements, limits_.elements);
    if (open_.size() + 1 > limits_.depth) Stop(at_, PmlId::kLimitDepth, limits_.depth);
    CheckColon(at_, tag_.name);
    for (auto one = tag_.attributes.begin(); one != tag_.attributes.end(); ++one) {
      CheckColon(one->offset, one->name);
      const auto first = std::find_if(tag_.attributes.begin(), one, [&](const TagAttribute& other) {
        return other.name == one->name;
      });
      if (first != one) Report(one->offset, PmlId::kRepeatedAttribute, Quoted(one->name));
      const auto begin = static_cast<size_t>(one->value.data() - text_.data());
      const std::string_view up_to_end = text_.substr(0, begin + one->value.size());
      for (size_t at = up_to_end.find('&', begin); at < up_to_end.size();
           at = up_to_end.find('&', at)) {
        at = CheckReference(at);
      }
    }
  }

  void CheckColon(size_t offset, std::string_view name) {
    if (name.find(':') != std::string_view::npos) Report(offset, PmlId::kNamespace, Quoted(name));
  }

  // An end tag that does not fit ends all that is open inside of what it names.
  void Close() {
    if (open_.empty()) return CheckInside(at_, "an end tag");
    const auto named = std::find_if(open_.rbegin(), open_.rend(),
                                    [&](uint32_t piece) { return NameOf(piece) == tag_.name; });
    if (named != open_.rbegin() && diagnostics_.ok()) {
      Report(at_, PmlId::kMismatchedTag, tag_.name,
             diagnostics_.LineOf(pieces_[open_.back()].begin));
    }
    if (named != open_.rend()) open_.erase(named.base() - 1, open_.end());
  }

  std::string_view NameOf(uint32_t piece) const {
    return TagName(text_.substr(pieces_[piece].begin, pieces_[piece].end - pieces_[piece].begin));
  }

  void CheckEnd() {
    if (!open_.empty()) {
      const size_t begin = pieces_[open_.back()].begin;
      Report(begin, PmlId::kUnclosedElement, NameOf(open_.back()));
    } else if (!root_seen_) {
      Report(first_, PmlId::kNoElement);
    }
  }

  const PmlSource& source_;
  const std::string_view text_;  // the source's, or its beginning
  const PmlLimits& limits_;
  Diagnostics& diagnostics_;
  ScannedDocument document_;
  std::vector<Piece>& pieces_ = document_.pieces;
  std::vector<uint32_t> open_;  // pieces: the tags that are not closed yet
  Tag tag_;
  const size_t first_;
  size_t at_;
  uint32_t elements_ = 0;
  uint32_t mistakes_ = 0;
  bool root_seen_ = false;
  bool stopped_ = false;
};

bool LooksLikeUtf16(std::string_view text) {
  for (const std::string_view start : {std::string_view("\xFE\xFF"), std::string_view("\xFF\xFE"),
                                       std::string_view("<\0", 2), std::string_view("\0<", 2)}) {
    if (text.starts_with(start)) return true;
  }
  return false;
}

}  // namespace

ScannedDocument ScanDocument(const PmlSource& source, const PmlLimits& limits,
                             Diagnostics& diagnostics) {
  const std::string_view text = source.text();
  const bool utf16 = LooksLikeUtf16(text);
  const size_t bad = utf16 ? 0 : FirstInvalidUtf8(text);
  if (bad == text.size()) return Scanner(source, text, limits, diagnostics).Run();
  // Only to know where in the document the byte is.
  Diagnostics unused(source);
  const auto before = Scanner(source, text.substr(0, bad), limits, unused).Run();
  diagnostics.Report(bad, PmlId::kNotUtf8, Enclosing(source, before.pieces, bad),
                     utf16 ? "; it looks like UTF-16" : "");
  return {};
}

}  // namespace promptcache
