// What coordinators say of themselves, their workers and their requests, and what operators ask of
// them.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using flatbuffers::Offset;
using wire::Reader;
using wire::Writer;

uint32_t WriteBody(Writer& writer, const StatusQuery&) {
  return wire::CreateStatusQuery(writer.builder()).o;
}
void ReadBody(Reader&, const wire::StatusQuery&, StatusQuery*) {}

namespace {

Offset<wire::WorkerStatus> WriteWorkerStatus(Writer& writer, const WorkerStatus& in) {
  const auto name = writer.Text(in.name);
  const auto model = writer.Text(in.model);
  const auto device = writer.Text(in.device);
  const auto identity = WriteIdentity(writer, in.identity);
  return wire::CreateWorkerStatus(
      writer.builder(), name, in.pid, model, device, identity, in.live, in.active, in.queued,
      in.slots, in.units, in.unit_bytes, in.unit_limit_bytes, in.requests, in.prefill_tokens_per_s,
      in.draining, in.assigned, in.backlog_seconds, in.kv_use, in.calibration, in.generated_tokens);
}

WorkerStatus ReadWorkerStatus(Reader& reader, const wire::WorkerStatus* in) {
  return {.name = reader.Text(in->name()),
          .pid = in->pid(),
          .model = reader.Text(in->model()),
          .device = reader.Text(in->device()),
          .identity = ReadIdentity(reader, in->identity()),
          .live = in->live(),
          .active = in->active(),
          .queued = in->queued(),
          .slots = in->slots(),
          .units = in->units(),
          .unit_bytes = in->unit_bytes(),
          .unit_limit_bytes = in->unit_limit_bytes(),
          .requests = in->requests(),
          .prefill_tokens_per_s =
              reader.Finite(in->prefill_tokens_per_s(), "worker prefill_tokens_per_s"),
          .draining = in->draining(),
          .assigned = in->assigned(),
          .backlog_seconds = reader.Finite(in->backlog_seconds(), "worker backlog_seconds"),
          .kv_use = reader.Finite(in->kv_use(), "worker kv_use"),
          .calibration = reader.Finite(in->calibration(), "worker calibration"),
          .generated_tokens = in->generated_tokens()};
}

Offset<wire::TierTokens> WriteTierTokens(Writer& writer, const TierTokens& in) {
  if (in == TierTokens{}) return 0;
  return wire::CreateTierTokens(writer.builder(), in.device, in.host, in.disk, in.remote,
                                in.encoded);
}

TierTokens ReadTierTokens(const wire::TierTokens* in) {
  if (in == nullptr) return {};
  return {.device = in->device(),
          .host = in->host(),
          .disk = in->disk(),
          .remote = in->remote(),
          .encoded = in->encoded()};
}

Offset<wire::Percentiles> WritePercentiles(Writer& writer, const Percentiles& in) {
  if (in == Percentiles{}) return 0;
  return wire::CreatePercentiles(writer.builder(), in.p50, in.p90, in.p99, in.count);
}

Percentiles ReadPercentiles(Reader& reader, const wire::Percentiles* in) {
  if (in == nullptr) return {};
  return {.p50 = reader.Finite(in->p50(), "p50"),
          .p90 = reader.Finite(in->p90(), "p90"),
          .p99 = reader.Finite(in->p99(), "p99"),
          .count = in->count()};
}

}  // namespace

uint32_t WriteBody(Writer& writer, const StatusReply& in) {
  const auto coordinator = writer.Text(in.coordinator);
  const auto model = writer.Text(in.model);
  const auto workers = writer.Tables<wire::WorkerStatus>(
      in.workers, [&](const WorkerStatus& worker) { return WriteWorkerStatus(writer, worker); });
  const auto policy = writer.Text(in.policy);
  const auto tokens = WriteTierTokens(writer, in.tokens);
  const auto ttft = WritePercentiles(writer, in.ttft_ms);
  return wire::CreateStatusReply(writer.builder(), coordinator, in.pid, in.uptime_ms,
                                 in.meta_available, model, in.context_length, in.schemas,
                                 in.requests_active, in.requests_accepted, in.requests_failed,
                                 in.bad_frames, workers, policy, in.requests_waiting,
                                 in.requests_rejected, in.requests_resumed, tokens, ttft)
      .o;
}
void ReadBody(Reader& reader, const wire::StatusReply& in, StatusReply* out) {
  *out = {.coordinator = reader.Text(in.coordinator()),
          .pid = in.pid(),
          .uptime_ms = in.uptime_ms(),
          .meta_available = in.meta_available(),
          .model = reader.Text(in.model()),
          .context_length = in.context_length(),
          .schemas = in.schemas(),
          .requests_active = in.requests_active(),
          .requests_accepted = in.requests_accepted(),
          .requests_failed = in.requests_failed(),
          .bad_frames = in.bad_frames(),
          .workers = reader.Tables<WorkerStatus>(
              in.workers(), "workers",
              [&](const wire::WorkerStatus* worker) { return ReadWorkerStatus(reader, worker); }),
          .policy = reader.Text(in.policy()),
          .requests_waiting = in.requests_waiting(),
          .requests_rejected = in.requests_rejected(),
          .requests_resumed = in.requests_resumed(),
          .tokens = ReadTierTokens(in.tokens()),
          .ttft_ms = ReadPercentiles(reader, in.ttft_ms())};
}

uint32_t WriteBody(Writer& writer, const DrainWorker& in) {
  const auto worker = writer.Text(in.worker);
  return wire::CreateDrainWorker(writer.builder(), worker,
                                 static_cast<wire::DrainChange>(in.change))
      .o;
}
void ReadBody(Reader& reader, const wire::DrainWorker& in, DrainWorker* out) {
  out->worker = reader.Name(in.worker(), "worker to drain");
  out->change = reader.Enum<DrainChange>(in.change(), {DrainChange::kDrain, DrainChange::kResume},
                                         "drain change");
}

}  // namespace promptcache
