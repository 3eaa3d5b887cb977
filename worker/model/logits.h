// What a model says after some tokens, for comparison with other engines.
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/types.h"

namespace promptcache {

struct LogitsRequest {
  std::string model;           // GGUF file or Hugging Face directory
  std::string dtype = "fp32";  // "auto", "fp32", "bf16"
  std::string device = "cpu";
  int threads = 0;  // 0: one per core
  std::vector<TokenId> ids;
  std::vector<Position> positions;  // strictly ascending; empty: 0, 1, 2, ...
};

// Of the last token, one for each of the vocabulary. kInvalidArgument for ids or positions that
// cannot be; else the errors of LoadModel and Model::Forward.
Result<std::vector<float>> LastLogits(const LogitsRequest& request);

}  // namespace promptcache
