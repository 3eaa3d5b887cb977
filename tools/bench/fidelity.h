// What answers lose because modules do not see each other, and what repairs buy back: reuse against
// a full prefill of the same tokens at the same positions, on the parts of the real engine.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cachestore/format/compression.h"
#include "common/status.h"
#include "common/types.h"
#include "tools/bench/series.h"

namespace promptcache {

struct FidelityOptions {
  std::string model;  // GGUF file
  std::string data;   // a LongBench file, as multi_news.jsonl
  std::string dtype = "fp32";
  int threads = 0;  // 0: one per core
  std::vector<uint32_t> modules = {2, 4, 8};
  std::vector<uint32_t> tokens = {32, 128, 512};     // of each module
  std::vector<uint32_t> linked = {0, 4, 8, 16, 32};  // 0: repair none
  std::string compression = "none";  // also with units that went through this, as ParseCompression
  uint32_t new_tokens = 16;
  uint32_t continuation = 64;  // positions at which distributions are compared
  uint32_t samples = 2;        // texts of each size
  uint64_t seed = 1;
};

// One sample each.
struct FidelityCell {
  uint32_t modules = 0;
  uint32_t tokens = 0;
  EncodingMode encoding = EncodingMode::kAnchored;
  Repair repair = Repair::kNone;
  uint32_t linked_tokens = 0;
  std::string_view kv_layout = kBlobLayout;
  Series kl_first;   // nats from full prefill, at the first new token
  Series kl;         // mean over the continuation
  Series agreement;  // share of positions with the same likeliest token
  Series delta_nll;  // nats a token that the true continuation is less likely
  Series kl_layout;  // nats from the same units in the layout that loses nothing
  Series share;      // of the units' tokens, those computed again
  Series ttft_ms;    // one step over the new tokens, the units being in memory
};

struct FidelityReport {
  FidelityOptions options;
  Identity identity;
  // By modules, tokens, encoding, repair, layout; full is in each group.
  std::vector<FidelityCell> cells;
  std::vector<std::string> skipped;  // sizes that do not fit the model's context, in words
};

using FidelityProgress = std::function<void(uint32_t done, uint32_t total)>;

// Each size with each sample is a step of `progress`. Errors: those of the data and the model;
// kInvalidArgument for options without a size, a sample or a position.
Result<FidelityReport> MeasureFidelity(const FidelityOptions& options,
                                       const FidelityProgress& progress);

// {"cells": [{"modules": .., "tokens": .., "encoding": .., "repair": .., "linked_tokens": ..,
// "kv_layout": .., "kl_mean": .., "kl_median": .., "kl_min": .., "kl_max": .., ..}]}: stable names.
nlohmann::json FidelityToJson(const FidelityReport& report);
std::string RenderFidelity(const FidelityReport& report);

}  // namespace promptcache
