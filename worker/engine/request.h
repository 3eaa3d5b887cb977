// What the engine is asked for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/references.h"
#include "common/status.h"
#include "common/types.h"
#include "worker/engine/known_recipe.h"

namespace promptcache {

// What was added to one sample of a request.
struct AnswerPart {
  uint32_t sample = 0;
  std::vector<TokenId> tokens;
  std::string text;  // may be empty while a character or a stop string is incomplete
  std::vector<TokenLogprobs> logprobs;  // of each token, or empty
};

// Called on the engine thread; must not block.
struct RequestEvents {
  std::function<void(AnswerPart part)> on_part;
  // Exactly once, and last.
  std::function<void(Status status, Usage usage)> on_final;
};

// Whether anybody asked for what a request imports: else that is no use of it.
enum class Purpose : uint8_t { kAnswer, kWarming };

// One unit of a request.
struct UnitOrder {
  RequestId owner;
  KnownRecipePtr recipe;
  uint64_t domain = 0;  // of its key
  Import import;
  Purpose purpose = Purpose::kAnswer;
};

struct EngineRequest {
  RequestId id;
  Plan plan;
  std::vector<KnownRecipePtr> recipes;  // of plan.units, by index
  std::string schema;                   // that the units are imported from; empty: not known
  std::string version;                  // of the schema
  std::string tenant;                   // that they are imported for
  uint64_t domain = 0;                  // of their keys; 0: everybody's
  Purpose purpose = Purpose::kAnswer;
  GenerationOptions options;
  // The answers go on behind these tokens, as if they had been generated here; by sample, which may
  // be fewer than asked for. What stands behind the end of an answer does not count.
  std::vector<std::vector<TokenId>> delivered;
  SteadyTime received;
  SteadyTime deadline;
  RequestEvents events;

  // kInvalidArgument unless plan, options and what was delivered are valid, belong with the recipes
  // (digests, rows, positions) and fit the context and the vocabulary.
  Status Validate(int64_t context_length, int64_t vocabulary) const;
  // New tokens of the plan, and what was delivered.
  size_t TokensToCompute() const;
  // Of plan.units[index].
  Import ImportOf(size_t index) const;
  UnitOrder OrderOf(size_t index) const;
};

}  // namespace promptcache
