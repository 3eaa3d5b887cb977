#include "coordinator/prompt_planner.h"

#include <utility>

#include "coordinator/plan/plan_builder.h"

namespace promptcache {
namespace {

constexpr uint64_t kMaxWaitingBytes = uint64_t{256} << 20;
constexpr uint64_t kJobBytes = 4 << 10;  // what a small request holds
// Of steps in the background at once: so many small ones that the thread does not fall asleep after
// each, and no more than tens of milliseconds that another tenant's next one waits behind.
constexpr uint64_t kMaxRunningBytes = 512 << 10;

}  // namespace

uint64_t BytesOf(const Submit& submit) {
  uint64_t bytes = kJobBytes + submit.prompt.size() + submit.model.size();
  bytes += submit.options.stop_ids.size() * sizeof(TokenId);
  for (const std::string& stop : submit.options.stop_strings) bytes += sizeof(stop) + stop.size();
  return bytes;
}

// One prompt on its way. Only one thread at a time has it.
struct PromptPlanner::Job {
  uint64_t bytes = 0;
  Submit submit;  // its text is in `source`
  SchemaViewer viewer;
  RepairChoice repair;
  PmlSource source;
  Wanted wanted;
  Callback done;
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
      repair_(repair),
      waiting_(kMaxWaitingBytes) {}

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
  const uint64_t bytes = BytesOf(submit);
  std::string text = std::exchange(submit.prompt, {});
  const auto job = std::make_shared<Job>(Job{.bytes = bytes,
                                             .submit = std::move(submit),
                                             .viewer = {.tenant = tenant},
                                             .repair = *repair,
                                             .source = PmlSource("prompt", std::move(text)),
                                             .wanted = wanted,
                                             .done = done});
  const Status queued = waiting_.Add(tenant, {job, [this, job] { return Parse(job); }}, bytes);
  if (!queued.ok()) return done(queued);
  StartSteps();
}

void PromptPlanner::StartSteps() {
  while (running_bytes_ < kMaxRunningBytes) {
    const auto next = waiting_.Take();
    if (!next) return;
    const auto& [job, step] = *next;
    if (!job->wanted()) continue;
    const Status started = step();
    if (started.ok()) {
      running_bytes_ += job->bytes;
    } else {
      job->done(started);
    }
  }
}

void PromptPlanner::StepEnded(const Job& job) {
  running_bytes_ -= job.bytes;
  StartSteps();
}

Status PromptPlanner::Parse(const JobPtr& job) {
  return background_.Compute<Status>(
      [this, job]() -> Status {
        PC_ASSIGN_OR_RETURN(job->prompt, ParsePrompt(job->source, limits_));
        return {};
      },
      [this, job](const Status& parsed) {
        StepEnded(*job);
        if (job->wanted()) Parsed(job, parsed);
      },
      job->bytes);
}

Result<SchemaPtr> PromptPlanner::FindSchema(const Job& job) const {
  const bool keeps = job.prompt.version.empty() && !job.submit.version.empty();
  if (!keeps) return catalog_.Find(job.viewer, job.prompt.schema, job.prompt.version);
  auto schema = catalog_.Find(job.viewer, job.prompt.schema, job.submit.version);
  if (schema.ok()) return schema;
  return schema.status().WithContext("the request was accepted with a version that is gone");
}

// What is not known here another coordinator may have registered just now.
void PromptPlanner::Parsed(const JobPtr& job, const Status& parsed) {
  if (!parsed.ok()) return job->done(parsed);
  if (FindSchema(*job).status().code() != Code::kNotFound) return PlanNow(job);
  const auto room = catalog_.Reserve(job->viewer.tenant, job->bytes);
  if (!room.ok()) return job->done(room.status());
  catalog_.CatchUp(job->viewer.tenant, [this, job, room = *room](const Status& known) {
    if (!job->wanted()) return;
    if (known.code() == Code::kBusy) return job->done(known);
    PlanNow(job);
  });
}

void PromptPlanner::PlanNow(const JobPtr& job) {
  auto schema = FindSchema(*job);
  if (!schema.ok()) return job->done(schema.status());
  job->schema = *std::move(schema);
  waiting_.AddAgain(job->viewer.tenant, {job, [this, job] { return BuildPlanOf(job); }},
                    job->bytes);
  StartSteps();
}

Status PromptPlanner::BuildPlanOf(const JobPtr& job) {
  return background_.Compute<Result<PlannedPrompt>>(
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
      [this, job](Result<PlannedPrompt> planned) {
        StepEnded(*job);
        job->done(std::move(planned));
      },
      job->bytes);
}

}  // namespace promptcache
