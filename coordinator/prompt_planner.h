// From a prompt's text to its plan, in the background. Internal to coordinator/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "coordinator/background.h"
#include "coordinator/fair_queue.h"
#include "coordinator/plan/repair_choice.h"
#include "coordinator/pml/prompt.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/served_model.h"
#include "coordinator/session/session.h"

namespace promptcache {

// What a request holds while it waits for its plan, about.
uint64_t BytesOf(const Submit& submit);

// Tenants take turns: one's large prompts do not hold up another's, nor take all the room there is
// for prompts that wait. Belongs to the reactor thread. What it is made of outlives it.
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
  using JobPtr = std::shared_ptr<Job>;
  using Step = std::function<Status()>;  // submits work to the background

  // Runs steps that wait, by turns.
  void StartSteps();
  void StepEnded(const Job& job);
  Status Parse(const JobPtr& job);
  void Parsed(const JobPtr& job, const Status& parsed);
  Result<SchemaPtr> FindSchema(const Job& job) const;
  void PlanNow(const JobPtr& job);
  Status BuildPlanOf(const JobPtr& job);

  Background& background_;
  SchemaCatalog& catalog_;
  const ServedModel& model_;
  const TextEncoder encoder_;
  const PmlLimits limits_;
  const RepairChoice repair_;  // of prompts that do not say
  FairQueue<std::pair<JobPtr, Step>> waiting_;
  uint64_t running_bytes_ = 0;  // of the steps in the background
};

}  // namespace promptcache
