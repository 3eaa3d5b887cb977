#include "common/text/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <bitset>
#include <vector>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr char32_t kTableEnd = 0x30000;  // no character from here on combines or decomposes
constexpr size_t kMaxDecomposition = 4;  // code points of one, as Unicode guarantees

int CombiningClass(int32_t code) { return utf8proc_get_property(code)->combining_class; }

void AppendDecomposition(char32_t code, std::vector<int32_t>& out) {
  int32_t parts[kMaxDecomposition];
  int boundclass = 0;
  const auto count =
      utf8proc_decompose_char(static_cast<int32_t>(code), parts, kMaxDecomposition,
                              static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE), &boundclass);
  if (count < 1 || static_cast<size_t>(count) > kMaxDecomposition) {
    out.push_back(static_cast<int32_t>(code));
    return;
  }
  out.insert(out.end(), parts, parts + count);
}

void Compose(std::vector<int32_t>& codes) {
  const auto count =
      utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  codes.resize(static_cast<size_t>(count));
}

// The characters before which a text may be cut, each part being normalised by itself, and that are
// their own normal form: they do not move, nor compose with anything before them.
class StableCharacters {
 public:
  StableCharacters() {
    std::vector<int32_t> firsts;  // of each decomposition
    std::vector<int32_t> parts;
    for (char32_t code = 0; code < kTableEnd; ++code) {
      parts.clear();
      AppendDecomposition(code, parts);
      if (CombiningClass(parts[0]) != 0) unstable_.set(code);
      for (size_t i = 1; i < parts.size(); ++i) unstable_.set(static_cast<size_t>(parts[i]));
      firsts.push_back(parts[0]);
      Compose(parts);
      if (parts.size() != 1 || parts[0] != static_cast<int32_t>(code)) unstable_.set(code);
    }
    for (size_t code = 0; code < firsts.size(); ++code) {
      if (unstable_.test(static_cast<size_t>(firsts[code]))) unstable_.set(code);
    }
  }
  bool Has(char32_t code) const { return code >= kTableEnd || !unstable_.test(code); }

 private:
  std::bitset<kTableEnd> unstable_;
};

const StableCharacters& Stable() {
  static const StableCharacters stable;
  return stable;
}

// Offset of the first character from `at` on that is (or is not) stable, or text.size().
template <bool kStable>
size_t Find(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) < 0x80) {
      if (kStable) return at;
      ++at;
      continue;
    }
    const Utf8Character character = DecodeUtf8At(text, at);
    if (Stable().Has(character.code) == kStable) return at;
    at += character.bytes;
  }
  return at;
}

// utf8proc would order the marks of a character, too, but in quadratic time.
void OrderMarks(std::vector<int32_t>& codes) {
  const auto mark = [](int32_t code) { return CombiningClass(code) != 0; };
  for (auto begin = codes.begin(); begin != codes.end();) {
    begin = std::find_if(begin, codes.end(), mark);
    const auto end = std::find_if_not(begin, codes.end(), mark);
    std::stable_sort(begin, end,
                     [](int32_t a, int32_t b) { return CombiningClass(a) < CombiningClass(b); });
    begin = end;
  }
}

void AppendNormalised(std::string_view text, std::string& out) {
  std::vector<int32_t> codes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = DecodeUtf8At(text, at);
    AppendDecomposition(character.code, codes);
    at += character.bytes;
  }
  OrderMarks(codes);
  Compose(codes);
  for (const int32_t code : codes) AppendUtf8(static_cast<char32_t>(code), out);
}

// Where the character before `at` begins. REQUIRES: at > 0.
size_t CharacterBefore(std::string_view text, size_t at) {
  --at;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

std::string_view Nfc(std::string_view text, std::string& buffer) {
  size_t unstable = Find<false>(text, 0);
  if (unstable == text.size()) return text;
  buffer.clear();
  buffer.reserve(text.size());
  for (size_t done = 0; done < text.size();) {
    // An unstable character may compose with the stable one before it.
    const size_t begin =
        unstable > done && unstable < text.size() ? CharacterBefore(text, unstable) : unstable;
    buffer += text.substr(done, begin - done);
    done = Find<true>(text, unstable);
    AppendNormalised(text.substr(begin, done - begin), buffer);
    unstable = Find<false>(text, done);
  }
  return buffer;
}

}  // namespace promptcache
