// A prompt against a layout: what comes from units, what is computed, and where everything stands.
#pragma once

#include "cluster/wire/messages.h"
#include "common/types.h"
#include "coordinator/layout/layout.h"
#include "coordinator/plan/repair_choice.h"
#include "coordinator/pml/prompt.h"

namespace promptcache {

struct PlanOptions {
  ReuseMode reuse = ReuseMode::kReuse;
  RepairChoice repair;          // of what is reused
  uint32_t max_new_tokens = 0;  // 0: encode only
  uint32_t context_length = 0;  // of the model; 0: unlimited
};

// nullopt when `diagnostics` (of the prompt's source) got errors, because the prompt does not fit
// the schema: unknown or repeated modules, two members of one union, unknown or too long arguments,
// texts without room; or because the plan and its answer do not fit the context (all numbers
// named). Pure; takes time in the prompt's new text and in the number of runs it imports.
// REQUIRES: `repair` is one that ChooseRepair gives.
std::optional<Plan> BuildPlan(const Layout& layout, const TextEncoder& encoder,
                              const PromptDocument& prompt, const PlanOptions& options,
                              Diagnostics& diagnostics);
// The same; kInvalidArgument with every error, compiler style.
Result<Plan> BuildPlan(const Layout& layout, const TextEncoder& encoder, const PmlSource& source,
                       const PromptDocument& prompt, const PlanOptions& options);

}  // namespace promptcache
