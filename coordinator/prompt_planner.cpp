#include "coordinator/prompt_planner.h"

#include <utility>

#include "coordinator/plan/plan_builder.h"

namespace promptcache {

// One prompt on its way. Only one thread at a time has it.
struct PromptPlanner::Job {
  Submit submit;  // its text is in `source`
  SchemaViewer viewer;
  RepairChoice repair;
  PmlSource source;
  PromptDocument prompt;
  SchemaPtr schema;
};

PromptPlanner::PromptPlanner(Background& background, SchemaCatalog& catalog,
                             const ServedModel& model, const PmlLimits& limits,
                             const RepairChoice& repair)
    : background_(background),
      catalog_(catalog),
      model_(model),
      encoder_(*model.tokenizer, *model.chat_template),
      limits_(limits),
      repair_(repair) {}

// Two visits to the background: parsing tells which schema is meant, which is looked up here, where
// the catalog lives; then the plan is built.
void PromptPlanner::Plan(Submit submit, const std::string& tenant, const Wanted& wanted,
                         const Callback& done) {
  if (!submit.model.empty() && submit.model != model_.name) {
    return done(
        NotFound("the model '" + submit.model + "' is not served; '" + model_.name + "' is"));
  }
  const auto repair = ChooseRepair(submit.repair, submit.linked_tokens, repair_);
  if (!repair.ok()) return done(repair.status());
  const uint64_t bytes = submit.prompt.size();
  std::string text = std::exchange(submit.prompt, {});
  auto job = std::make_shared<Job>(Job{.submit = std::move(submit),
                                       .viewer = {.tenant = tenant},
                                       .repair = *repair,
                                       .source = PmlSource("prompt", std::move(text))});
  const Status queued = background_.Compute<Status>(
      [this, job]() -> Status {
        PC_ASSIGN_OR_RETURN(job->prompt, ParsePrompt(job->source, limits_));
        return {};
      },
      [this, job, wanted, done](const Status& parsed) {
        if (!wanted()) return;
        if (!parsed.ok()) return done(parsed);
        PlanParsed(job, wanted, done);
      },
      bytes);
  if (!queued.ok()) done(queued);
}

Result<SchemaPtr> PromptPlanner::FindSchema(const Job& job) const {
  const bool keeps = job.prompt.version.empty() && !job.submit.version.empty();
  if (!keeps) return catalog_.Find(job.viewer, job.prompt.schema, job.prompt.version);
  auto schema = catalog_.Find(job.viewer, job.prompt.schema, job.submit.version);
  if (schema.ok()) return schema;
  return schema.status().WithContext("the request was accepted with a version that is gone");
}

// What is not known here another coordinator may have registered just now.
void PromptPlanner::PlanParsed(const std::shared_ptr<Job>& job, const Wanted& wanted,
                               const Callback& done) {
  if (FindSchema(*job).status().code() != Code::kNotFound) return PlanNow(job, done);
  const auto room = catalog_.Reserve(job->source.text().size());
  if (!room.ok()) return done(room.status());
  catalog_.CatchUp([this, job, room = *room, wanted, done](const Status& /*known*/) {
    if (wanted()) PlanNow(job, done);
  });
}

void PromptPlanner::PlanNow(const std::shared_ptr<Job>& job, const Callback& done) {
  auto schema = FindSchema(*job);
  if (!schema.ok()) return done(schema.status());
  job->schema = *std::move(schema);
  const Status queued = background_.Compute<Result<PlannedPrompt>>(
      [this, job]() -> Result<PlannedPrompt> {
        PlannedPrompt planned{.schema = job->schema->name,
                              .version = job->schema->version,
                              .tenant = job->viewer.tenant,
                              .domain = job->schema->domain,
                              .keep_alive = job->schema};
        PC_ASSIGN_OR_RETURN(planned.plan,
                            BuildPlan(job->schema->layout, encoder_, job->source, job->prompt,
                                      {.reuse = job->submit.reuse,
                                       .repair = job->repair,
                                       .max_new_tokens = job->submit.options.max_new_tokens,
                                       .context_length = model_.context_length}));
        return planned;
      },
      done, job->source.text().size());
  if (!queued.ok()) done(queued);
}

}  // namespace promptcache
