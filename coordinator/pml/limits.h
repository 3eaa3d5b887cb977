// What a document may ask of this process. Each limit has its own error, which names it.
#pragma once

#include <cstdint>

#include "common/config.h"

namespace promptcache {

struct PmlLimits {
  uint64_t document_bytes = uint64_t{64} << 20;
  uint32_t depth = 64;
  uint32_t elements = 100'000;
  uint32_t attributes = 64;   // of one element
  uint32_t name_bytes = 256;  // of an element, an attribute or what a name attribute gives
  uint64_t attribute_bytes = 1 << 20;
  uint32_t units = 65'536;     // modules and scaffold sets of a schema
  uint32_t path_bytes = 1024;  // of a module: "support/policies/refunds"; of a set
  uint64_t all_path_bytes = uint64_t{16} << 20;  // of a schema's modules and sets together
  uint64_t set_tokens = uint64_t{16} << 20;      // of a schema's scaffold sets, contexts included
  uint32_t pieces = 1'000'000;  // texts, tags, comments, CDATA sections and role markers together
};

// For a document that was measured before.
inline constexpr PmlLimits kUnlimited{.document_bytes = UINT64_MAX,
                                      .depth = UINT32_MAX,
                                      .elements = UINT32_MAX,
                                      .attributes = UINT32_MAX,
                                      .name_bytes = UINT32_MAX,
                                      .attribute_bytes = UINT64_MAX,
                                      .units = UINT32_MAX,
                                      .path_bytes = UINT32_MAX,
                                      .all_path_bytes = UINT64_MAX,
                                      .pieces = UINT32_MAX};

// Those of a prompt, where they differ.
inline constexpr PmlLimits kPromptLimits{.document_bytes = uint64_t{8} << 20};

// As configured.
PmlLimits SchemaLimitsOf(const CoordinatorSettings& settings);
PmlLimits PromptLimitsOf(const CoordinatorSettings& settings);

}  // namespace promptcache
