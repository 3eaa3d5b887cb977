#include "tools/bench/tenants_workload.h"

#include <fmt/format.h>

#include "common/rng.h"

namespace promptcache {
namespace {

constexpr uint32_t kLongestWord = 8;
constexpr int kMostDraws = 4096;
constexpr int kPatience = 16;  // words in a row that do not fit

std::string RandomWord(uint64_t seed, uint32_t index) {
  const auto length = 1 + static_cast<uint32_t>(UniformAt(seed, index, 0) * kLongestWord);
  std::string word;
  for (uint32_t i = 1; i <= length; ++i) {
    word += static_cast<char>('a' + static_cast<int>(UniformAt(seed, index, i) * 26));
  }
  return word;
}

}  // namespace

Result<std::string> MakeUnheardText(const Tokenizer& tokenizer, uint32_t tokens, uint64_t seed) {
  std::string text;
  int misfits = 0;
  for (uint32_t draw = 0; draw < kMostDraws; ++draw) {
    std::string longer = text + (text.empty() ? "" : " ") + RandomWord(seed, draw);
    PC_ASSIGN_OR_RETURN(const auto ids, tokenizer.Encode(longer));
    if (ids.size() == tokens) return longer;
    if (ids.size() < tokens) {
      text = std::move(longer);
    } else if (++misfits == kPatience) {  // no word may be as short as what is left
      text.clear();
      misfits = 0;
    }
  }
  return InvalidArgument(
      fmt::format("this tokenizer does not split random words into exactly {} tokens", tokens));
}

Result<TenantsText> MakeTenantsText(const Tokenizer& tokenizer, uint32_t tokens, uint64_t seed) {
  const uint32_t root = tokens / 4;
  TenantsText text;
  PC_ASSIGN_OR_RETURN(text.root, MakeUnheardText(tokenizer, root, 2 * seed));
  PC_ASSIGN_OR_RETURN(text.module, MakeUnheardText(tokenizer, tokens - root, 2 * seed + 1));
  return text;
}

std::string TenantsSchema(const std::string& name, const TenantsText& text) {
  return fmt::format("<schema name=\"{}\">{}<module name=\"m\">{}</module></schema>", name,
                     text.root, text.module);
}

std::string TenantsPrompt(const std::string& name) {
  return fmt::format("<prompt schema=\"{}\"><m/>What does it say?</prompt>", name);
}

}  // namespace promptcache
