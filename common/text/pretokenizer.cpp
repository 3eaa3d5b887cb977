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
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kThreeDigits = "[0-9][0-9][0-9]";
// Of Unicode 7 and no later one: the lookahead names what was assigned since.
constexpr const char* kPunctuationMarks =
    R"((?:(?![\x{61D}\x{9FD}-\x{A76}\x{C77}-\x{C84}\x{1B7D}-\x{1B7E}\x{2E43}-\x{2E5D}\x{10EAD}-\x{10F89}\x{1144B}-\x{1145D}\x{11660}-\x{116B9}\x{1183B}-\x{11FFF}\x{12FF1}-\x{12FF2}\x{16E97}-\x{16FE2}\x{1E95E}-\x{1E95F}])[\p{P}$+<=>^`|~\x{166D}\x{111C9}])++)";
// Once text is bytes, each written as one character, those written as digits are these.
constexpr const char* kDigitBytes = R"([0-9\xB2\xB3\xB9\xBC-\xBE]+)";

struct Recipe {
  const char* name;
  std::vector<std::string> steps;
};

const std::vector<Recipe>& Recipes() {
  const auto one = [](std::string_view step) { return std::string(step); };
  static const std::vector<Recipe> recipes = {
      {"gpt-2", {one(Pretokenizer::kWords)}},
      {"smollm", {one(Pretokenizer::kOneDigit), one(Pretokenizer::kWords)}},
      {"falcon",
       {one(Pretokenizer::kPunctuation), one(Pretokenizer::kWords), one(Pretokenizer::kDigits),
        kThreeDigits}},
      {"mpt", {one(Pretokenizer::kWords)}},
      {"llama-bpe", {kLlama3, one(Pretokenizer::kBytes)}},
      {"llama3", {kLlama3, one(Pretokenizer::kBytes)}},
      {"qwen2", {kQwen2, one(Pretokenizer::kBytes)}},
  };
  return recipes;
}

// By what `step` cuts; empty: it does not.
std::string PatternOf(const std::string& step) {
  if (step == Pretokenizer::kPunctuation) return kPunctuationMarks;
  if (step == Pretokenizer::kOneDigit) return R"(\p{N})";
  if (step == Pretokenizer::kDigits) return kDigitBytes;
  if (step == Pretokenizer::kWords) return kGpt2;
  if (step == Pretokenizer::kBytes) return "";
  return step;
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

enum class Unit : uint8_t { kCharacter, kByte };

Result<Pattern> Compile(const std::string& source, Unit unit) {
  const std::string pattern = WithUnicodeSpaces(source);
  const uint32_t options = unit == Unit::kCharacter ? PCRE2_UTF | PCRE2_UCP : 0;
  int error = 0;
  size_t offset = 0;
  Pattern code(pcre2_compile(reinterpret_cast<const unsigned char*>(pattern.data()), pattern.size(),
                             options, &error, &offset, nullptr));
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
    Unit unit = Unit::kCharacter;
    for (const std::string& step : recipe.steps) {
      const std::string pattern = PatternOf(step);
      if (!pattern.empty()) {
        PC_ASSIGN_OR_RETURN(Pattern code, Compile(pattern, unit));
        codes.push_back(std::move(code));
      }
      if (step == kWords || step == kBytes) unit = Unit::kByte;
    }
    return std::unique_ptr<const Pretokenizer>(new RegexPretokenizer(std::move(codes)));
  }
  return Unimplemented("the pre-tokenizer '" + std::string(name) + "' is not one of " + known);
}

Result<std::string> Pretokenizer::NameOf(const std::vector<std::string>& steps) {
  for (const Recipe& recipe : Recipes()) {
    if (recipe.steps == steps) return std::string(recipe.name);
  }
  std::string named;
  for (const std::string& step : steps) named += (named.empty() ? "" : ", ") + step;
  return Unimplemented("the pre-tokenizer [" + named + "] is not supported");
}

}  // namespace promptcache
