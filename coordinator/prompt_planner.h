// From a prompt's text to its plan, in the background. Internal to coordinator/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "coordinator/background.h"
#include "coordinator/plan/repair_choice.h"
#include "coordinator/pml/prompt.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/served_model.h"
#include "coordinator/session/session.h"

namespace promptcache {

// Belongs to the reactor thread. What it is made of outlives it.
class PromptPlanner {
 public:
  // Whether the plan is still wanted; asked between the steps.
  using Wanted = std::function<bool()>;
  using Callback = std::function<void(Result<PlannedPrompt>)>;

  PromptPlanner(Background& background, SchemaCatalog& catalog, const ServedModel& model,
                const PmlLimits& limits, const RepairChoice& repair);

  // Calls `done` once, unless the plan is not wanted any more or the background has gone.
  // kInvalidArgument, compiler style, for what is wrong with the prompt, and for a repair that is
  // not possible; kNotFound for an unknown model or schema; kBusy when too much waits;
  // kUnavailable until schemas are loaded.
  // The schema is what its name means for the tenant.
  void Plan(Submit submit, const std::string& tenant, const Wanted& wanted, const Callback& done);

 private:
  struct Job;

  Result<SchemaPtr> FindSchema(const Job& job) const;
  void PlanParsed(const std::shared_ptr<Job>& job, const Wanted& wanted, const Callback& done);
  void PlanNow(const std::shared_ptr<Job>& job, const Callback& done);

  Background& background_;
  SchemaCatalog& catalog_;
  const ServedModel& model_;
  const TextEncoder encoder_;
  const PmlLimits limits_;
  const RepairChoice repair_;  // of prompts that do not say
};

}  // namespace promptcache
