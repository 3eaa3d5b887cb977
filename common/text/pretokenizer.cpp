#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/text/pretokenizer.h"

#include <pcre2.h>

namespace promptcache {
namespace {

// The regular expressions are facts of the models: each is the pattern with which the vocabulary
// was trained, applied one after the other to the pieces of the one before. Characters that are
// younger than the Unicode version of PCRE2 are neither letters nor digits.
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kOneDigit = R"(\p{N})";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Recipe {
  const char* name;
  std::vector<const char*> patterns;
};

const std::vector<Recipe>& Recipes() {
  static const std::vector<Recipe> recipes = {
      {"gpt-2", {kGpt2}},       {"smollm", {kOneDigit, kGpt2}},
      {"llama-bpe", {kLlama3}}, {"llama3", {kLlama3}},
      {"qwen2", {kQwen2}},
  };
  return recipes;
}

struct FreePattern {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Pattern = std::unique_ptr<pcre2_code, FreePattern>;

std::string MessageOf(int error) {
  unsigned char buffer[200];
  pcre2_get_error_message(error, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

// Appends the matches of `code` in `piece` and what lies between them, in order.
Status SplitPiece(const pcre2_code* code, pcre2_match_data* match, std::string_view piece,
                  std::vector<std::string_view>& out) {
  const auto* subject = reinterpret_cast<const unsigned char*>(piece.data());
  size_t position = 0;
  while (position < piece.size()) {
    const int found = pcre2_match(code, subject, piece.size(), position,
                                  position == 0 ? 0 : PCRE2_NO_UTF_CHECK, match, nullptr);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0)
      return InvalidArgument("the text cannot be split into words: " + MessageOf(found));
    const size_t* range = pcre2_get_ovector_pointer(match);
    if (range[1] == range[0]) return Internal("a word pattern matched nothing");
    if (range[0] > position) out.push_back(piece.substr(position, range[0] - position));
    out.push_back(piece.substr(range[0], range[1] - range[0]));
    position = range[1];
  }
  if (position < piece.size()) out.push_back(piece.substr(position));
  return {};
}

class RegexPretokenizer : public Pretokenizer {
 public:
  explicit RegexPretokenizer(std::vector<Pattern> codes) : codes_(std::move(codes)) {}

  Result<std::vector<std::string_view>> Split(std::string_view text) const override {
    std::vector<std::string_view> pieces;
    if (!text.empty()) pieces.push_back(text);
    for (const Pattern& code : codes_) {
      const std::unique_ptr<pcre2_match_data, FreeMatch> match(
          pcre2_match_data_create_from_pattern(code.get(), nullptr));
      if (!match) return ResourceExhausted("out of memory");
      std::vector<std::string_view> finer;
      finer.reserve(pieces.size());
      for (std::string_view piece : pieces) {
        PC_RETURN_IF_ERROR(SplitPiece(code.get(), match.get(), piece, finer));
      }
      pieces = std::move(finer);
    }
    return pieces;
  }

 private:
  const std::vector<Pattern> codes_;
};

// The pattern with \s and \S spelt out as Unicode's White_Space: PCRE2's own have U+180E, too.
std::string WithUnicodeSpaces(std::string_view pattern) {
  constexpr std::string_view kSpaces = R"(\t-\r\x{85}\p{Z})";
  std::string spelt;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (pattern[i] == '\\' && (next == 's' || next == 'S')) {
      const std::string_view open = in_class ? "" : next == 's' ? "[" : "[^";
      spelt.append(open).append(kSpaces).append(in_class ? "" : "]");
      ++i;
      continue;
    }
    if (pattern[i] == '[') in_class = true;
    if (pattern[i] == ']') in_class = false;
    spelt.push_back(pattern[i]);
  }
  return spelt;
}

Result<Pattern> Compile(const char* source) {
  const std::string pattern = WithUnicodeSpaces(source);
  int error = 0;
  size_t offset = 0;
  Pattern code(pcre2_compile(reinterpret_cast<const unsigned char*>(pattern.data()), pattern.size(),
                             PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
  if (!code) return Internal("a word pattern does not compile: " + MessageOf(error));
  // Without JIT (a build of PCRE2 may lack it) matching is slower but the same.
  (void)pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

}  // namespace

Result<std::unique_ptr<const Pretokenizer>> Pretokenizer::Create(std::string_view name) {
  std::string known;
  for (const Recipe& recipe : Recipes()) {
    known += (known.empty() ? "" : ", ") + std::string(recipe.name);
    if (recipe.name != name) continue;
    std::vector<Pattern> codes;
    for (const char* pattern : recipe.patterns) {
      PC_ASSIGN_OR_RETURN(Pattern code, Compile(pattern));
      codes.push_back(std::move(code));
    }
    return std::unique_ptr<const Pretokenizer>(new RegexPretokenizer(std::move(codes)));
  }
  return Unimplemented("the pre-tokenizer '" + std::string(name) + "' is not one of " + known);
}

}  // namespace promptcache
