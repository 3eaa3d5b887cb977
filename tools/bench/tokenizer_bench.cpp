#include "tools/bench/tokenizer_bench.h"

#include <algorithm>

#include "common/hash.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr size_t kSmallestBytes = size_t{128} << 10;

std::string Repeated(std::string_view part, size_t bytes) {
  std::string text;
  text.reserve(bytes + part.size());
  while (text.size() < bytes) text += part;
  return text;
}

// Letters in no order.
std::string RandomLetters(size_t bytes) {
  std::string text(bytes, 'a');
  uint32_t state = 1;
  for (char& letter : text) {
    state = state * 1664525 + 1013904223;
    letter = static_cast<char>('a' + (state >> 24) % 26);
  }
  return text;
}

// The longest token of letters alone: it takes the most merges.
std::string LongestWord(const Tokenizer& tokenizer) {
  std::string longest = "a";
  for (uint32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    const auto bytes = tokenizer.TokenBytes(static_cast<TokenId>(id));
    const bool letters = bytes.ok() && std::all_of(bytes->begin(), bytes->end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                         });
    if (letters && bytes->size() > longest.size()) longest = *bytes;
  }
  return longest;
}

struct HardText {
  const char* name;
  std::function<std::string(size_t)> of_size;
};

std::vector<HardText> HardTexts(const Tokenizer& tokenizer) {
  const std::string deep = LongestWord(tokenizer);
  return {{"no_space", RandomLetters},
          {"deep_merges", [deep](size_t bytes) { return Repeated(deep, bytes); }},
          {"one_character", [](size_t bytes) { return Repeated("a", bytes); }},
          {"spaces", [](size_t bytes) { return Repeated(" ", bytes); }},
          {"marks", [](size_t bytes) { return Repeated("\xCC\x81\xCC\xA3", bytes); }}};
}

Status MeasureHard(const Tokenizer& tokenizer, const HardText& text,
                   const TokenizerBenchOptions& options, HardTextSeries& series) {
  for (size_t bytes = kSmallestBytes; bytes <= size_t{options.largest_kib} << 10; bytes *= 2) {
    const std::string made = text.of_size(bytes);
    HardTextTimes& times = series.sizes.emplace_back(HardTextTimes{.bytes = made.size()});
    for (uint32_t i = 0; i < options.iterations; ++i) {
      const auto ids =
          Timed<std::milli>(times.milliseconds, [&] { return tokenizer.Encode(made); });
      PC_RETURN_IF_ERROR(ids.status());
    }
  }
  return {};
}

Result<size_t> EncodeAll(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  size_t ids = 0;
  for (const std::string& text : texts) {
    PC_ASSIGN_OR_RETURN(const auto one, tokenizer.Encode(text));
    ids += one.size();
  }
  return ids;
}

Result<std::string> DigestOfIds(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  Blake2b hasher;
  for (const std::string& text : texts) {
    PC_ASSIGN_OR_RETURN(const auto ids, tokenizer.Encode(text));
    for (const TokenId id : ids) hasher.AddU32(static_cast<uint32_t>(id));
  }
  return hasher.Finish().ToHex();
}

// Seconds to 10^6 bytes a second.
void ToSpeeds(size_t bytes, Series& series) {
  for (double& sample : series.samples) sample = static_cast<double>(bytes) / 1e6 / sample;
}

}  // namespace

double HardTextSeries::RatioAt(size_t index) const {
  if (index == 0) return 0;
  return sizes[index].milliseconds.minimum() / sizes[index - 1].milliseconds.minimum();
}

double HardTextSeries::worst_ratio() const {
  double worst = 0;
  for (size_t i = 1; i < sizes.size(); ++i) worst = std::max(worst, RatioAt(i));
  return worst;
}

Result<TokenizerTimes> MeasureTokenizer(const Tokenizer& tokenizer,
                                        const std::vector<std::string>& texts,
                                        const TokenizerBenchOptions& options,
                                        const std::function<void(const std::string&)>& progress) {
  TokenizerTimes times{.vocabulary = tokenizer.vocabulary_size()};
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  progress("texts");
  const auto encode = [&] { return EncodeAll(tokenizer, texts); };
  PC_ASSIGN_OR_RETURN(times.ids, Timed<std::ratio<1>>(times.first_mb_per_s, encode));
  for (uint32_t i = 0; i < options.iterations; ++i) {
    PC_RETURN_IF_ERROR(Timed<std::ratio<1>>(times.mb_per_s, encode).status());
  }
  ToSpeeds(bytes, times.first_mb_per_s);
  ToSpeeds(bytes, times.mb_per_s);
  PC_ASSIGN_OR_RETURN(times.ids_digest, DigestOfIds(tokenizer, texts));
  for (const HardText& text : HardTexts(tokenizer)) {
    progress(text.name);
    HardTextSeries& series = times.hard.emplace_back(HardTextSeries{.name = text.name});
    PC_RETURN_IF_ERROR(MeasureHard(tokenizer, text, options, series));
  }
  return times;
}

}  // namespace promptcache
