// How fast tokenizers are: on real text, and how their time grows on texts made to be hard.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/text/tokenizer.h"
#include "tools/bench/series.h"

namespace promptcache {

struct TokenizerBenchOptions {
  uint32_t iterations = 5;      // of each text
  uint32_t largest_kib = 2048;  // of the hard texts, which begin at 128 KiB and double
};

struct HardTextTimes {
  size_t bytes = 0;
  Series milliseconds;
};

// A kind of hard text in ascending sizes, each twice the one before.
struct HardTextSeries {
  std::string name;  // "no_space", "deep_merges", "one_character", "spaces", "marks"
  std::vector<HardTextTimes> sizes;

  // How much longer the size at `index` took than the one before, by the fastest run of each. 0 for
  // the first.
  double RatioAt(size_t index) const;
  double worst_ratio() const;
};

struct TokenizerTimes {
  std::string name;
  uint32_t vocabulary = 0;
  size_t ids = 0;          // of all texts
  std::string ids_digest;  // hex BLAKE2b-256 of the ids, four little-endian bytes each
  Series first_mb_per_s;   // 10^6 bytes a second: once, before any word is remembered
  Series mb_per_s;
  std::vector<HardTextSeries> hard;
};

struct TokenizerReport {
  TokenizerBenchOptions options;
  std::string cpu;
  size_t texts = 0;
  size_t bytes = 0;
  std::vector<TokenizerTimes> tokenizers;
};

// The `context` of each line of every *.jsonl file in `directory`, files by name. kNotFound without
// one, kInvalidArgument naming file and line.
Result<std::vector<std::string>> ReadContexts(const std::string& directory);
// English words from nothing but a seed: 2 MB.
std::vector<std::string> MakeContexts();

// One call of Encode for each text, on the calling thread. `progress` gets a line before each step.
Result<TokenizerTimes> MeasureTokenizer(const Tokenizer& tokenizer,
                                        const std::vector<std::string>& texts,
                                        const TokenizerBenchOptions& options,
                                        const std::function<void(const std::string&)>& progress);

// mb_per_s, mb_per_s_min, worst_ratio and the like: stable names, numbers.
nlohmann::json TokenizersToJson(const TokenizerReport& report);
std::string RenderTokenizers(const TokenizerReport& report);

}  // namespace promptcache
