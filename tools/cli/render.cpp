#include "tools/cli/render.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

json UnitToJson(const UnitUsage& unit) {
  return {{"path", unit.path},
          {"digest", unit.digest.ToHex()},
          {"source", std::string(SourceName(unit.source))},
          {"miss_reason", unit.miss_reason},
          {"tokens", unit.tokens},
          {"bytes", unit.bytes},
          {"ms", unit.milliseconds}};
}

std::string RepairLine(Repair repair, uint32_t linked_tokens, uint32_t recomputed) {
  if (repair == Repair::kFull) return "nothing was reused: every token was computed\n";
  std::string name(RepairName(repair));
  if (repair == Repair::kLinked) name += fmt::format(" (the first {} of every run)", linked_tokens);
  return fmt::format("repair {}: {} tokens of units computed again\n", name, recomputed);
}

json WorkerToJson(const WorkerStatus& worker) {
  return {{"name", worker.name},
          {"pid", worker.pid},
          {"model", worker.model},
          {"device", worker.device},
          {"identity", IdentityToJson(worker.identity)},
          {"live", worker.live},
          {"active", worker.active},
          {"queued", worker.queued},
          {"slots", worker.slots},
          {"units", worker.units},
          {"unit_bytes", worker.unit_bytes},
          {"unit_limit_bytes", worker.unit_limit_bytes},
          {"requests", worker.requests},
          {"prefill_tokens_per_s", worker.prefill_tokens_per_s},
          {"draining", worker.draining},
          {"assigned", worker.assigned},
          {"backlog_seconds", worker.backlog_seconds},
          {"kv_use", worker.kv_use},
          {"calibration", worker.calibration},
          {"generated_tokens", worker.generated_tokens}};
}

}  // namespace

json UsageToJson(const Usage& usage) {
  json units = json::array();
  for (const UnitUsage& unit : usage.units) units.push_back(UnitToJson(unit));
  json samples = json::array();
  for (const SampleUsage& sample : usage.samples) {
    samples.push_back({{"finish", std::string(FinishReasonName(sample.finish))},
                       {"generated_tokens", sample.generated_tokens}});
  }
  return {{"worker", usage.worker},
          {"finish", std::string(FinishReasonName(usage.finish))},
          {"repair", std::string(RepairName(usage.repair))},
          {"linked_tokens", usage.linked_tokens},
          {"recomputed_tokens", usage.recomputed_tokens},
          {"prompt_tokens", usage.prompt_tokens},
          {"cached_tokens", usage.cached_tokens},
          {"cache_read_input_tokens", usage.reused_tokens},
          {"cache_creation_input_tokens", usage.cached_tokens - usage.reused_tokens},
          {"computed_tokens", usage.computed_tokens},
          {"encoded_tokens", usage.encoded_tokens},
          {"generated_tokens", usage.generated_tokens},
          {"queue_ms", usage.queue_ms},
          {"acquire_ms", usage.acquire_ms},
          {"ttft_ms", usage.ttft_ms},
          {"total_ms", usage.total_ms},
          {"units", std::move(units)},
          {"samples", std::move(samples)}};
}

std::string SummarizeSources(const Usage& usage) {
  std::map<Source, int> counts;
  for (const UnitUsage& unit : usage.units) ++counts[unit.source];
  std::string out;
  for (const auto& [source, count] : counts) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", SourceName(source), count);
  }
  return out.empty() ? "-" : out;
}

namespace {

// "samples: 0 stop after 12, 1 length after 64"
std::string RenderSamples(const std::vector<SampleUsage>& samples) {
  std::string out;
  for (size_t i = 0; i < samples.size(); ++i) {
    out += fmt::format("{}{} {} after {}", i == 0 ? "samples: " : ", ", i,
                       FinishReasonName(samples[i].finish), samples[i].generated_tokens);
  }
  return out + "\n";
}

}  // namespace

std::string RenderUsage(const Usage& usage) {
  std::string out = fmt::format(
      "{}: {} prompt tokens ({} reused, {} computed, {} run to encode units), {} generated, "
      "first token after {}, finished after {} ({})\n",
      usage.worker, usage.prompt_tokens, usage.reused_tokens, usage.computed_tokens,
      usage.encoded_tokens, usage.generated_tokens, FormatMs(usage.ttft_ms),
      FormatMs(usage.total_ms), FinishReasonName(usage.finish));
  if (usage.samples.size() > 1) out += RenderSamples(usage.samples);
  out += RepairLine(usage.repair, usage.linked_tokens, usage.recomputed_tokens);
  if (usage.units.empty()) return out;
  Table table({{"unit"},
               {"from"},
               {"tokens", Align::kRight},
               {"bytes", Align::kRight},
               {"there after", Align::kRight},
               {"why not cached"}});
  for (const UnitUsage& unit : usage.units) {
    table.AddRow({unit.path, std::string(SourceName(unit.source)), std::to_string(unit.tokens),
                  FormatBytes(unit.bytes), FormatMs(unit.milliseconds), unit.miss_reason});
  }
  return out + table.Render();
}

json IdentityToJson(const Identity& identity) {
  return {{"digest", identity.Digest().ToHex()},
          {"weights", identity.weights},
          {"tokenizer", identity.tokenizer},
          {"positions", identity.positions},
          {"dtype", identity.dtype},
          {"kv_layout", identity.kv_layout},
          {"encoder", identity.encoder}};
}

std::string FormatRate(double measured) {
  return measured > 0 ? fmt::format("{:.0f}", measured) : "-";
}

std::string StateName(const WorkerStatus& worker) {
  if (worker.draining) return worker.active + worker.queued > 0 ? "draining" : "drained";
  return worker.live ? "live" : "starting";
}

json TierTokensToJson(const TierTokens& tokens) {
  return {{"device", tokens.device},
          {"host", tokens.host},
          {"disk", tokens.disk},
          {"remote", tokens.remote},
          {"encoded", tokens.encoded}};
}

json StatusToJson(const StatusReply& status) {
  json workers = json::array();
  for (const WorkerStatus& worker : status.workers) workers.push_back(WorkerToJson(worker));
  return {{"coordinator", status.coordinator},
          {"pid", status.pid},
          {"uptime_ms", status.uptime_ms},
          {"meta_available", status.meta_available},
          {"model", status.model},
          {"context_length", status.context_length},
          {"schemas", status.schemas},
          {"requests_active", status.requests_active},
          {"requests_accepted", status.requests_accepted},
          {"requests_failed", status.requests_failed},
          {"bad_frames", status.bad_frames},
          {"policy", status.policy},
          {"requests_waiting", status.requests_waiting},
          {"requests_rejected", status.requests_rejected},
          {"requests_resumed", status.requests_resumed},
          {"imported_tokens", TierTokensToJson(status.tokens)},
          {"ttft_ms",
           {{"p50", status.ttft_ms.p50},
            {"p90", status.ttft_ms.p90},
            {"p99", status.ttft_ms.p99},
            {"requests", status.ttft_ms.count}}},
          {"workers", std::move(workers)}};
}

bool IsForOperators(const StatusReply& status) { return status.pid != 0; }

namespace {

// What there is to be used; the rest of the reply is not filled in.
std::string RenderStatusOfTenant(const StatusReply& status) {
  Table table(
      {{"worker"}, {"state"}, {"device"}, {"dtype"}, {"slots", Align::kRight}, {"identity"}});
  for (const WorkerStatus& w : status.workers) {
    const std::string state = w.draining ? "draining" : StateName(w);
    table.AddRow({w.name, state, w.device, w.identity.dtype, std::to_string(w.slots),
                  FormatDigest(w.identity.Digest())});
  }
  return fmt::format(
             "coordinator {}, up {}: model {}, context {} tokens, meta store {}\n"
             "requests: {} of your tenant active; more is told to keys of role admin\n",
             status.coordinator, FormatMs(static_cast<double>(status.uptime_ms)), status.model,
             status.context_length, status.meta_available ? "available" : "not available",
             status.requests_active) +
         table.Render();
}

}  // namespace

std::string RenderStatus(const StatusReply& status) {
  if (!IsForOperators(status)) return RenderStatusOfTenant(status);
  std::string out = fmt::format(
      "coordinator {} (pid {}), up {}: model {}, context {} tokens, {} schemas, meta store {}\n"
      "requests: {} active, {} waiting, {} accepted, {} failed, {} rejected, {} resumed; policy "
      "{}; "
      "{} bad frames dropped\n",
      status.coordinator, status.pid, FormatMs(static_cast<double>(status.uptime_ms)), status.model,
      status.context_length, status.schemas, status.meta_available ? "available" : "not available",
      status.requests_active, status.requests_waiting, status.requests_accepted,
      status.requests_failed, status.requests_rejected, status.requests_resumed, status.policy,
      status.bad_frames);
  Table table({{"worker"},
               {"pid", Align::kRight},
               {"state"},
               {"device"},
               {"dtype"},
               {"active", Align::kRight},
               {"queued", Align::kRight},
               {"slots", Align::kRight},
               {"backlog", Align::kRight},
               {"units", Align::kRight},
               {"unit memory", Align::kRight},
               {"prefill tok/s", Align::kRight},
               {"identity"}});
  for (const WorkerStatus& w : status.workers) {
    table.AddRow({w.name, std::to_string(w.pid), StateName(w), w.device, w.identity.dtype,
                  std::to_string(w.active), std::to_string(w.queued), std::to_string(w.slots),
                  FormatMs(w.backlog_seconds * 1000), std::to_string(w.units),
                  FormatBytes(w.unit_bytes) + " / " + FormatBytes(w.unit_limit_bytes),
                  FormatRate(w.prefill_tokens_per_s), FormatDigest(w.identity.Digest())});
  }
  return out + table.Render();
}

json SchemasToJson(const std::vector<SchemaInfo>& schemas) {
  json list = json::array();
  for (const SchemaInfo& schema : schemas) {
    json entry = {{"name", schema.name},
                  {"version", schema.version},
                  {"positions", schema.tokens},
                  {"units", schema.units},
                  {"registered_unix_ms", schema.registered_unix_ms},
                  {"current", schema.current},
                  {"tenant", schema.tenant},
                  {"shared", schema.shared}};
    if (!schema.document.empty()) entry["document"] = schema.document;
    list.push_back(std::move(entry));
  }
  return list;
}

std::string RenderSchemas(const std::vector<SchemaInfo>& schemas) {
  Table table({{"schema"},
               {"version"},
               {"positions", Align::kRight},
               {"units", Align::kRight},
               {"registered (UTC)"},
               {"tenant"},
               {"shared"},
               {""}});
  for (const SchemaInfo& schema : schemas) {
    table.AddRow({schema.name, schema.version, std::to_string(schema.tokens),
                  std::to_string(schema.units), FormatUtc(schema.registered_unix_ms),
                  schema.tenant.empty() ? "-" : schema.tenant, schema.shared ? "yes" : "no",
                  schema.current ? "current" : ""});
  }
  return table.Render();
}

json PlanToJson(const Plan& plan) {
  json units = json::array();
  for (const PlanUnit& unit : plan.units) {
    units.push_back(
        {{"path", unit.path}, {"digest", unit.digest.ToHex()}, {"tokens", unit.tokens}});
  }
  json segments = json::array();
  for (const PlanSegment& segment : plan.segments) {
    segments.push_back({{"unit", segment.unit},
                        {"first_row", segment.first_row},
                        {"rows", segment.rows},
                        {"position", segment.first_position},
                        {"shift", segment.shift}});
  }
  return {{"units", std::move(units)},
          {"segments", std::move(segments)},
          {"new_tokens", {{"ids", plan.new_tokens.ids}, {"positions", plan.new_tokens.positions}}},
          {"cached_tokens", plan.cached_tokens()},
          {"computed_tokens", plan.new_tokens.size()},
          {"next_position", plan.next_position},
          {"repair", std::string(RepairName(plan.repair))},
          {"linked_tokens", plan.linked_tokens},
          {"repaired_tokens", plan.repaired_tokens}};
}

std::string RenderPlan(const Plan& plan) {
  std::string out = fmt::format(
      "{} tokens from {} units in {} segments, {} tokens to compute; the answer starts "
      "at position {}\n",
      plan.cached_tokens(), plan.units.size(), plan.segments.size(), plan.new_tokens.size(),
      plan.next_position);
  out += RepairLine(plan.repair, plan.linked_tokens, plan.repaired_tokens);
  Table table({{"position", Align::kRight},
               {"rows", Align::kRight},
               {"unit"},
               {"first row", Align::kRight},
               {"shift", Align::kRight},
               {"recipe"}});
  for (const PlanSegment& segment : plan.segments) {
    const PlanUnit& unit = plan.units[segment.unit];
    table.AddRow({std::to_string(segment.first_position), std::to_string(segment.rows), unit.path,
                  std::to_string(segment.first_row), std::to_string(segment.shift),
                  FormatDigest(unit.digest)});
  }
  return out + table.Render();
}

}  // namespace promptcache
