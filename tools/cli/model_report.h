// What a model on disk is: read from its headers, without loading weights.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/formats/model_identity.h"
#include "common/status.h"

namespace promptcache {

struct TensorTypeTotal {
  std::string type;  // "Q4_1"
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
};

struct ModelReport {
  std::string path;
  std::string name;
  std::string architecture;  // as the file calls it
  Status supported;          // kUnimplemented saying what is
  std::vector<TensorTypeTotal> types;
  std::string tokenizer;      // "49152 tokens, digest 0123456789ab", or why there is none
  std::string chat_template;  // "chatml", or why there is none
  // Of supported models:
  std::optional<ModelConfig> config;
  std::vector<Identity> identities;  // in fp32 and in bf16

  uint64_t parameters() const;
  uint64_t bytes() const;
};

// Of an unsupported model, what its headers tell. Errors: those of the files' readers.
Result<ModelReport> InspectModel(const std::string& path, DigestSource source,
                                 const HashProgress& progress);

nlohmann::json ModelReportToJson(const ModelReport& report);
std::string RenderModelReport(const ModelReport& report);

}  // namespace promptcache
