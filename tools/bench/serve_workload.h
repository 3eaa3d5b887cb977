// What `promptcache bench serve` asks for: schemas by popularity, and prompts of which no two are
// alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/simulate/zipf_choice.h"

namespace promptcache {

struct ServeWorkloadOptions {
  uint32_t schemas = 100;
  double zipf = 1.1;        // exponent of their popularity
  uint32_t references = 3;  // of a prompt, at least; at most two more
  uint32_t words = 60;      // of a module
  uint64_t seed = 1;
};

// Immutable: a pure function of its options.
class ServeWorkload {
 public:
  // REQUIRES: 1 to kModules - 2 references.
  explicit ServeWorkload(const ServeWorkloadOptions& options);

  // Documents to register.
  std::vector<std::string> Schemas() const;
  // Prompt number `index`.
  std::string Prompt(uint64_t index) const;
  // One that imports every module of a schema.
  std::string WholePrompt(uint32_t schema) const;

  static constexpr uint32_t kModules = 8;  // of a schema

 private:
  const ServeWorkloadOptions options_;
  const ZipfChoice choice_;
};

}  // namespace promptcache
