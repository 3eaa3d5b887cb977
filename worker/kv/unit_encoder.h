// Encodes one unit, a forward step at a time, so that other requests' steps fit in between.
#pragma once

#include <memory>

#include "common/status.h"
#include "worker/kv/context_cache.h"
#include "worker/kv/unit.h"
#include "worker/model/model.h"

namespace promptcache {

// Tokens that forward steps would run to encode the recipe now: what `contexts` has need not run.
uint64_t TokensToEncode(const Recipe& recipe, const ContextCache& contexts, uint64_t domain = 0);

// Same recipe, same bits: a unit is encoded alone, in steps that depend on the recipe only. Not
// thread safe; model and contexts outlive it.
class UnitEncoder {
 public:
  // REQUIRES: recipe->Validate() is OK.
  UnitEncoder(Model& model, ContextCache& contexts, UnitKey key,
              std::shared_ptr<const Recipe> recipe, uint64_t domain = 0);

  // Runs one forward step. True when the unit is complete. After an error the encoder is done for.
  Result<bool> Step();
  // REQUIRES: Step() returned true.
  UnitPtr Take();
  // Tokens that forward steps have run.
  uint32_t computed_tokens() const { return computed_; }

 private:
  Status StepContext(int64_t begin, int64_t end);
  Status StepOwn();
  // What the unit keeps of its own tokens.
  at::Tensor Rows() const;

  Model& model_;
  const UnitKey key_;
  const std::shared_ptr<const Recipe> recipe_;
  Tokens context_;  // in its own frame
  std::vector<int64_t> context_chunks_;
  std::shared_ptr<ContextChain> chain_;
  KvBuffer own_;
  int64_t context_done_ = 0;
  int64_t own_done_ = 0;
  uint32_t computed_ = 0;
  double seconds_ = 0;
};

}  // namespace promptcache
