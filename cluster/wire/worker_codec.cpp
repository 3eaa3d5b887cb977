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
                                 in.context_length, in.slots, in.unit_limit_bytes)
      .o;
}
void ReadBody(Reader& reader, const wire::WorkerReady& in, WorkerReady* out) {
  *out = {.pid = in.pid(),
          .model = reader.Text(in.model()),
          .device = reader.Text(in.device()),
          .identity = ReadIdentity(reader, in.identity()),
          .context_length = in.context_length(),
          .slots = in.slots(),
          .unit_limit_bytes = in.unit_limit_bytes()};
}

uint32_t WriteBody(Writer& writer, const Heartbeat& in) {
  return wire::CreateHeartbeat(writer.builder(), in.active, in.queued, in.units, in.unit_bytes,
                               in.requests, in.backlog_seconds, in.prefill_tokens_per_s)
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
              reader.Finite(in.prefill_tokens_per_s(), "heartbeat prefill_tokens_per_s")};
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
  return wire::CreateRun(writer.builder(), plan, options, schema, version).o;
}
void ReadBody(Reader& reader, const wire::Run& in, Run* out) {
  out->plan = ReadPlan(reader, in.plan());
  out->options = ReadGenerationOptions(reader, in.options());
  out->schema = reader.Text(in.schema());
  out->version = reader.Text(in.version());
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
