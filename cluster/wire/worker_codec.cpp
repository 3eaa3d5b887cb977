// Messages between coordinators and workers.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using wire::Reader;
using wire::Writer;

uint32_t WriteBody(Writer& writer, const WorkerReady& in) {
  const auto model = writer.Text(in.model);
  const auto device = writer.Text(in.device);
  const auto identity = WriteIdentity(writer, in.identity);
  return wire::CreateWorkerReady(writer.builder(), in.pid, model, device, identity,
                                 in.context_length, in.slots, in.unit_limit_bytes,
                                 in.kv_bytes_per_token)
      .o;
}
void ReadBody(Reader& reader, const wire::WorkerReady& in, WorkerReady* out) {
  *out = {.pid = in.pid(),
          .model = reader.Text(in.model()),
          .device = reader.Text(in.device()),
          .identity = ReadIdentity(reader, in.identity()),
          .context_length = in.context_length(),
          .slots = in.slots(),
          .unit_limit_bytes = in.unit_limit_bytes(),
          .kv_bytes_per_token = in.kv_bytes_per_token()};
}

namespace {

flatbuffers::Offset<wire::LoadRate> WriteRate(Writer& writer, const LoadRate& in) {
  if (in == LoadRate{}) return 0;
  return wire::CreateLoadRate(writer.builder(), in.fixed_s, in.bytes_per_s);
}

LoadRate ReadRate(Reader& reader, const wire::LoadRate* in) {
  if (in == nullptr) return {};
  return {.fixed_s = reader.Finite(in->fixed_s(), "rate fixed_s"),
          .bytes_per_s = reader.Finite(in->bytes_per_s(), "rate bytes_per_s")};
}

}  // namespace

uint32_t WriteBody(Writer& writer, const Heartbeat& in) {
  const auto host = WriteRate(writer, in.host);
  const auto disk = WriteRate(writer, in.disk);
  const auto remote = WriteRate(writer, in.remote);
  return wire::CreateHeartbeat(writer.builder(), in.active, in.queued, in.units, in.unit_bytes,
                               in.requests, in.backlog_seconds, in.prefill_tokens_per_s,
                               in.draining, in.kv_use, host, disk, remote, in.generated_tokens,
                               in.residency_seq, in.residency_digest)
      .o;
}
void ReadBody(Reader& reader, const wire::Heartbeat& in, Heartbeat* out) {
  *out = {.active = in.active(),
          .queued = in.queued(),
          .units = in.units(),
          .unit_bytes = in.unit_bytes(),
          .requests = in.requests(),
          .backlog_seconds = reader.Finite(in.backlog_seconds(), "heartbeat backlog_seconds"),
          .prefill_tokens_per_s =
              reader.Finite(in.prefill_tokens_per_s(), "heartbeat prefill_tokens_per_s"),
          .draining = in.draining(),
          .kv_use = reader.Finite(in.kv_use(), "heartbeat kv_use"),
          .host = ReadRate(reader, in.host()),
          .disk = ReadRate(reader, in.disk()),
          .remote = ReadRate(reader, in.remote()),
          .generated_tokens = in.generated_tokens(),
          .residency_seq = in.residency_seq(),
          .residency_digest = in.residency_digest()};
}

uint32_t WriteBody(Writer& writer, const Residency& in) {
  const auto added = writer.Digests(in.added);
  const auto removed = writer.Digests(in.removed);
  return wire::CreateResidency(writer.builder(), in.seq, in.snapshot, added, removed).o;
}
void ReadBody(Reader& reader, const wire::Residency& in, Residency* out) {
  *out = {.seq = in.seq(),
          .snapshot = in.snapshot(),
          .added = reader.Digests<UnitKey>(in.added()),
          .removed = reader.Digests<UnitKey>(in.removed())};
}

uint32_t WriteBody(Writer& writer, const ResidencyResync&) {
  return wire::CreateResidencyResync(writer.builder()).o;
}
void ReadBody(Reader&, const wire::ResidencyResync&, ResidencyResync*) {}

uint32_t WriteBody(Writer& writer, const Run& in) {
  const auto plan = WritePlan(writer, in.plan);
  const auto options = WriteGenerationOptions(writer, in.options);
  const auto schema = writer.Text(in.schema);
  const auto version = writer.Text(in.version);
  const auto delivered = WriteDelivered(writer, in.delivered);
  const auto tenant = writer.Text(in.tenant);
  return wire::CreateRun(writer.builder(), plan, options, schema, version, delivered, tenant,
                         in.domain, in.warming)
      .o;
}
void ReadBody(Reader& reader, const wire::Run& in, Run* out) {
  out->plan = ReadPlan(reader, in.plan());
  out->options = ReadGenerationOptions(reader, in.options());
  out->schema = reader.Text(in.schema());
  out->version = reader.Text(in.version());
  out->delivered = ReadDelivered(reader, in.delivered());
  out->tenant = reader.Text(in.tenant());
  out->domain = in.domain();
  out->warming = in.warming();
}

uint32_t WriteBody(Writer& writer, const RequestQuery&) {
  return wire::CreateRequestQuery(writer.builder()).o;
}
void ReadBody(Reader&, const wire::RequestQuery&, RequestQuery*) {}

uint32_t WriteBody(Writer& writer, const RequestState& in) {
  return wire::CreateRequestState(writer.builder(), static_cast<wire::RequestPhase>(in.phase),
                                  in.attempt, in.parts)
      .o;
}
void ReadBody(Reader& reader, const wire::RequestState& in, RequestState* out) {
  *out = {.phase = reader.Enum<RequestPhase>(
              in.phase(), {RequestPhase::kUnknown, RequestPhase::kEnded}, "request phase"),
          .attempt = in.attempt(),
          .parts = in.parts()};
}

uint32_t WriteBody(Writer& writer, const Adopt& in) {
  const auto delivered = WriteDelivered(writer, in.delivered);
  return wire::CreateAdopt(writer.builder(), delivered).o;
}
void ReadBody(Reader& reader, const wire::Adopt& in, Adopt* out) {
  out->delivered = ReadDelivered(reader, in.delivered());
}

uint32_t WriteBody(Writer& writer, const RecipeQuery& in) {
  const auto digests = writer.Digests(in.digests);
  return wire::CreateRecipeQuery(writer.builder(), digests).o;
}
void ReadBody(Reader& reader, const wire::RecipeQuery& in, RecipeQuery* out) {
  out->digests = reader.Digests<RecipeDigest>(in.digests());
}

uint32_t WriteBody(Writer& writer, const RecipeReply& in) {
  const auto recipes = writer.Tables<wire::Recipe>(
      in.recipes, [&](const Recipe& recipe) { return WriteRecipe(writer, recipe); });
  const auto unknown = writer.Digests(in.unknown);
  return wire::CreateRecipeReply(writer.builder(), recipes, unknown).o;
}
void ReadBody(Reader& reader, const wire::RecipeReply& in, RecipeReply* out) {
  out->recipes = reader.Tables<Recipe>(in.recipes(), "recipes", [&](const wire::Recipe* recipe) {
    return ReadRecipe(reader, recipe);
  });
  out->unknown = reader.Digests<RecipeDigest>(in.unknown());
}

uint32_t WriteBody(Writer& writer, const UnitsDrop& in) {
  const auto keys = writer.Digests(in.keys);
  return wire::CreateUnitsDrop(writer.builder(), keys).o;
}
void ReadBody(Reader& reader, const wire::UnitsDrop& in, UnitsDrop* out) {
  out->keys = reader.Digests<UnitKey>(in.keys());
}

uint32_t WriteBody(Writer& writer, const UnitsDropped& in) {
  const auto workers = writer.Tables<wire::DroppedUnits>(in.workers, [&](const DroppedUnits& one) {
    const auto worker = writer.Text(one.worker);
    const auto held = writer.Digests(one.held);
    return wire::CreateDroppedUnits(writer.builder(), worker, one.dropped, held);
  });
  return wire::CreateUnitsDropped(writer.builder(), workers).o;
}
void ReadBody(Reader& reader, const wire::UnitsDropped& in, UnitsDropped* out) {
  out->workers =
      reader.Tables<DroppedUnits>(in.workers(), "workers that dropped units",
                                  [&](const wire::DroppedUnits* one) -> DroppedUnits {
                                    return {.worker = reader.Text(one->worker()),
                                            .dropped = one->dropped(),
                                            .held = reader.Digests<UnitKey>(one->held())};
                                  });
}

}  // namespace promptcache
