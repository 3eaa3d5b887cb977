// One prompt of `promptcache bench fidelity` on its way through compiler, encoder and model.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/recipe.h"
#include "common/status.h"
#include "common/text/templates.h"
#include "common/types.h"
#include "coordinator/layout/text_encoder.h"
#include "coordinator/plan/repair_choice.h"
#include "tools/bench/fidelity_text.h"
#include "worker/kv/unit.h"
#include "worker/model/model.h"

namespace promptcache {

struct CompiledText {
  Plan plan;
  std::vector<std::shared_ptr<const Recipe>> recipes;  // of plan.units
};

// PML to plans. The tokenizer outlives it.
class FidelityCompiler {
 public:
  FidelityCompiler(const Tokenizer& tokenizer, uint32_t context_length);

  Result<CompiledText> Compile(const FidelityText& text, EncodingMode encoding,
                               const RepairChoice& repair) const;

 private:
  const std::shared_ptr<const ChatTemplate> template_;
  const TextEncoder encoder_;
  const uint32_t context_length_;
};

using UnitsByDigest = std::map<RecipeDigest, UnitPtr>;

// A prompt behind its prefill, to be fed token by token.
class RunningPrompt {
 public:
  // Encodes the units that are not among `units`, to which they are added as they were computed,
  // reads them in the layout, and computes the new tokens in one step.
  static Result<std::unique_ptr<RunningPrompt>> Make(Model& model, CompiledText text,
                                                     std::string_view kv_layout,
                                                     UnitsByDigest& units);

  double ttft_ms() const { return ttft_ms_; }
  // Tokens of units that were computed again, of all tokens of imported units.
  double recomputed_share() const;
  // Of the token behind the prompt: [vocabulary].
  std::span<const float> first_logits() const { return first_logits_; }
  // The step that computes `id` at the next position. Valid until the next call.
  SequenceStep Next(TokenId id);

 private:
  explicit RunningPrompt(CompiledText text) : text_(std::move(text)) {}
  Status Encode(Model& model, std::string_view kv_layout, UnitsByDigest& units);
  Status Prefill(Model& model);

  const CompiledText text_;
  std::vector<UnitPtr> units_;
  KvBuffer own_;
  std::vector<KeyRange> ranges_;  // of the tokens behind the prompt
  std::vector<TokenId> ids_;      // of the current step
  std::vector<Position> positions_;
  Position fed_ = 0;
  std::vector<float> first_logits_;
  double ttft_ms_ = 0;
};

// From the first of several prompts, and from the one that is lossless, over the continuation.
struct Difference {
  double kl_first = 0;
  double kl = 0;
  double agreement = 0;
  double delta_nll = 0;
  double kl_layout = 0;
};
// Feeds all prompts with the continuation in common steps. One result for each prompt, of which
// `lossless` says the index of its lossless one.
// REQUIRES: there are prompts and a continuation.
Result<std::vector<Difference>> Compare(Model& model,
                                        std::span<const std::unique_ptr<RunningPrompt>> prompts,
                                        std::span<const size_t> lossless,
                                        std::span<const TokenId> continuation);

}  // namespace promptcache
