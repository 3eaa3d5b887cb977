// The schemas and prompts that `promptcache bench ttft` measures, made from a seed so that every
// run asks the same questions and no two iterations share a module.
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"
#include "common/text/tokenizer.h"

namespace promptcache {

struct WorkloadShape {
  uint32_t cached = 2048;  // tokens in modules, all together
  uint32_t modules = 8;
  uint32_t new_tokens = 64;  // tokens of the question
};

struct Workload {
  std::string schema_name;
  std::string schema;   // PML
  std::string prompt;   // imports every module and asks
  std::string control;  // the same number of tokens, none of them from a module
};

// Plain words that give exactly `tokens` tokens. Pure: the same seed gives the same text.
// kInvalidArgument when the tokenizer splits the words so that the count cannot be met.
Result<std::string> MakeText(const Tokenizer& tokenizer, uint32_t tokens, uint64_t seed);

// Modules of equal length; the seed makes their text unique.
Result<Workload> MakeWorkload(const Tokenizer& tokenizer, const WorkloadShape& shape,
                              uint64_t seed);

// A pretty-printed schema under whitespace="reference": `modules` modules of one short word each,
// so that every gap between two tags is a one-token run of the root.
Result<Workload> MakeTinyUnitsWorkload(const Tokenizer& tokenizer, uint32_t modules, uint64_t seed);

}  // namespace promptcache
