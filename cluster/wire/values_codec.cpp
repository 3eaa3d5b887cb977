#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {
namespace {

using flatbuffers::Offset;
using wire::Reader;
using wire::Writer;

Offset<wire::Tokens> WriteTokens(Writer& writer, const Tokens& in) {
  if (in.ids.empty() && in.positions.empty()) return 0;
  const auto ids = writer.Ints(in.ids);
  const auto positions = writer.Ints(in.positions);
  return wire::CreateTokens(writer.builder(), ids, positions);
}

Tokens ReadTokens(Reader& reader, const wire::Tokens* in, const char* field) {
  Tokens out;
  if (reader.Nested(in) == nullptr) return out;
  out.ids = reader.Ints(in->ids());
  out.positions = reader.Ints(in->positions());
  if (out.ids.size() != out.positions.size()) {
    reader.Fail(std::string(field) + " has " + std::to_string(out.ids.size()) + " ids but " +
                std::to_string(out.positions.size()) + " positions");
  }
  return out;
}

PlanUnit ReadPlanUnit(Reader& reader, const wire::PlanUnit* in) {
  return {.digest = reader.Digest256<RecipeDigest>(in->digest(), "plan unit digest"),
          .path = reader.Text(in->path()),
          .tokens = in->tokens(),
          .lifetime = {.ttl_ms = in->ttl_ms(), .pinned = in->pinned()}};
}

UnitUsage ReadUnitUsage(Reader& reader, const wire::UnitUsage* in) {
  return {.path = reader.Text(in->path()),
          .digest = reader.Digest256<RecipeDigest>(in->digest(), "unit usage digest"),
          .source = reader.Enum<Source>(in->source(), {Source::kDevice, Source::kEncoded},
                                        "unit usage source"),
          .miss_reason = reader.Text(in->miss_reason()),
          .tokens = in->tokens(),
          .bytes = in->bytes(),
          .milliseconds = reader.Finite(in->milliseconds(), "unit usage milliseconds")};
}

Offset<wire::UnitUsage> WriteUnitUsage(Writer& writer, const UnitUsage& in) {
  const auto path = writer.Text(in.path);
  const auto miss_reason = writer.Text(in.miss_reason);
  const wire::Digest digest = Writer::ToDigest(in.digest.bytes);
  return wire::CreateUnitUsage(writer.builder(), path, &digest,
                               static_cast<wire::Source>(in.source), miss_reason, in.tokens,
                               in.bytes, in.milliseconds);
}

}  // namespace

uint32_t WriteRecipe(Writer& writer, const Recipe& in) {
  const auto context = WriteTokens(writer, in.context);
  const auto own = WriteTokens(writer, in.own);
  const auto hidden = writer.Structs<wire::RowRange>(
      in.hidden, [](const RowRange& range) { return wire::RowRange(range.first, range.rows); });
  return wire::CreateRecipe(writer.builder(), static_cast<wire::EncodingMode>(in.mode), context,
                            own, hidden)
      .o;
}

Recipe ReadRecipe(Reader& reader, const wire::Recipe* in) {
  if (reader.Need(in, "recipe") == nullptr) return {};
  return {.mode = reader.Enum<EncodingMode>(
              in->mode(), {EncodingMode::kAnchored, EncodingMode::kScaffoldSet}, "recipe mode"),
          .context = ReadTokens(reader, in->context(), "recipe context"),
          .own = ReadTokens(reader, in->own(), "recipe own tokens"),
          .hidden = reader.Structs<RowRange>(in->hidden(), [](const wire::RowRange& range) {
            return RowRange{.first = range.first(), .rows = range.rows()};
          })};
}

uint32_t WriteIdentity(Writer& writer, const Identity& in) {
  const auto weights = writer.Text(in.weights);
  const auto tokenizer = writer.Text(in.tokenizer);
  const auto positions = writer.Text(in.positions);
  const auto dtype = writer.Text(in.dtype);
  const auto kv_layout = writer.Text(in.kv_layout);
  const auto encoder = writer.Text(in.encoder);
  return wire::CreateIdentity(writer.builder(), weights, tokenizer, positions, dtype, kv_layout,
                              encoder)
      .o;
}

Identity ReadIdentity(Reader& reader, const wire::Identity* in) {
  if (reader.Need(reader.Nested(in), "identity") == nullptr) return {};
  return {.weights = reader.Text(in->weights()),
          .tokenizer = reader.Text(in->tokenizer()),
          .positions = reader.Text(in->positions()),
          .dtype = reader.Text(in->dtype()),
          .kv_layout = reader.Text(in->kv_layout()),
          .encoder = reader.Text(in->encoder())};
}

uint32_t WritePlan(Writer& writer, const Plan& in) {
  const auto units = writer.Tables<wire::PlanUnit>(in.units, [&](const PlanUnit& unit) {
    const auto path = writer.Text(unit.path);
    const wire::Digest digest = Writer::ToDigest(unit.digest.bytes);
    return wire::CreatePlanUnit(writer.builder(), &digest, path, unit.tokens, unit.lifetime.ttl_ms,
                                unit.lifetime.pinned);
  });
  const auto segments = writer.Structs<wire::PlanSegment>(in.segments, [](const PlanSegment& s) {
    return wire::PlanSegment(s.unit, s.first_row, s.rows, s.first_position, s.shift);
  });
  const auto new_tokens = WriteTokens(writer, in.new_tokens);
  return wire::CreatePlan(writer.builder(), units, segments, new_tokens, in.next_position,
                          static_cast<wire::Repair>(in.repair), in.linked_tokens,
                          in.repaired_tokens)
      .o;
}

Plan ReadPlan(Reader& reader, const wire::Plan* in) {
  Plan out;
  if (reader.Need(reader.Nested(in), "plan") == nullptr) return out;
  out.units = reader.Tables<PlanUnit>(in->units(), "plan units", [&](const wire::PlanUnit* unit) {
    return ReadPlanUnit(reader, unit);
  });
  out.segments =
      reader.Structs<PlanSegment>(in->segments(), [](const wire::PlanSegment& s) -> PlanSegment {
        return {.unit = s.unit(),
                .first_row = s.first_row(),
                .rows = s.rows(),
                .first_position = s.first_position(),
                .shift = s.shift()};
      });
  out.new_tokens = ReadTokens(reader, in->new_tokens(), "plan new tokens");
  out.next_position = in->next_position();
  out.repair = reader.Enum<Repair>(in->repair(), {Repair::kNone, Repair::kFull}, "plan repair");
  out.linked_tokens = in->linked_tokens();
  out.repaired_tokens = in->repaired_tokens();
  return out;
}

uint32_t WriteDelivered(Writer& writer, const Delivered& in) {
  if (in == Delivered{}) return 0;
  const auto samples = writer.Tables<wire::TokenRun>(in.samples, [&](const auto& tokens) {
    const auto ids = writer.Ints(tokens);
    return wire::CreateTokenRun(writer.builder(), ids);
  });
  return wire::CreateDelivered(writer.builder(), in.parts, samples).o;
}

Delivered ReadDelivered(Reader& reader, const wire::Delivered* in) {
  if (reader.Nested(in) == nullptr) return {};
  return {.parts = in->parts(),
          .samples = reader.Tables<std::vector<TokenId>>(
              in->samples(), "delivered samples",
              [&](const wire::TokenRun* run) { return reader.Ints(run->ids()); })};
}

uint32_t WriteGenerationOptions(Writer& writer, const GenerationOptions& in) {
  const auto stop_ids = writer.Ints(in.stop_ids);
  const auto stop_strings = writer.Texts(in.stop_strings);
  return wire::CreateGenerationOptions(writer.builder(), in.max_new_tokens, in.temperature,
                                       in.top_p, in.top_k, in.repetition_penalty, in.seed, stop_ids,
                                       stop_strings, in.samples, in.logprobs)
      .o;
}

GenerationOptions ReadGenerationOptions(Reader& reader, const wire::GenerationOptions* in) {
  if (reader.Need(reader.Nested(in), "options") == nullptr) return {};
  return {.max_new_tokens = in->max_new_tokens(),
          .temperature = reader.Finite(in->temperature(), "temperature"),
          .top_p = reader.Finite(in->top_p(), "top_p"),
          .top_k = in->top_k(),
          .repetition_penalty = reader.Finite(in->repetition_penalty(), "repetition_penalty"),
          .seed = in->seed(),
          .stop_ids = reader.Ints(in->stop_ids()),
          .stop_strings = reader.Texts(in->stop_strings(), "stop_strings"),
          .samples = in->samples(),
          .logprobs = in->logprobs()};
}

namespace {

FinishReason ReadFinish(Reader& reader, wire::FinishReason in) {
  return reader.Enum<FinishReason>(in, {FinishReason::kNone, FinishReason::kError}, "usage finish");
}

// They are remembered with the request.
void CheckSamples(Reader& reader, const wire::Usage& in) {
  if (in.samples() == nullptr || in.samples()->size() <= GenerationOptions::kMaxSamples) return;
  reader.Fail("usage has " + std::to_string(in.samples()->size()) + " samples, the limit is " +
              std::to_string(GenerationOptions::kMaxSamples));
}

}  // namespace

uint32_t WriteUsage(Writer& writer, const Usage& in) {
  const auto worker = writer.Text(in.worker);
  const auto units = writer.Tables<wire::UnitUsage>(
      in.units, [&](const UnitUsage& unit) { return WriteUnitUsage(writer, unit); });
  const auto samples = writer.Tables<wire::SampleUsage>(in.samples, [&](const SampleUsage& sample) {
    return wire::CreateSampleUsage(writer.builder(), static_cast<wire::FinishReason>(sample.finish),
                                   sample.generated_tokens);
  });
  return wire::CreateUsage(writer.builder(), worker, static_cast<wire::FinishReason>(in.finish),
                           in.prompt_tokens, in.cached_tokens, in.reused_tokens, in.computed_tokens,
                           in.encoded_tokens, in.generated_tokens, in.queue_ms, in.acquire_ms,
                           in.ttft_ms, in.total_ms, static_cast<wire::Repair>(in.repair), units,
                           samples, in.linked_tokens, in.recomputed_tokens)
      .o;
}

Usage ReadUsage(Reader& reader, const wire::Usage* in) {
  if (reader.Need(reader.Nested(in), "usage") == nullptr) return {};
  CheckSamples(reader, *in);
  return {
      .worker = reader.Name(in->worker(), "usage worker"),
      .finish = ReadFinish(reader, in->finish()),
      .prompt_tokens = in->prompt_tokens(),
      .cached_tokens = in->cached_tokens(),
      .reused_tokens = in->reused_tokens(),
      .computed_tokens = in->computed_tokens(),
      .encoded_tokens = in->encoded_tokens(),
      .generated_tokens = in->generated_tokens(),
      .queue_ms = reader.Finite(in->queue_ms(), "usage queue_ms"),
      .acquire_ms = reader.Finite(in->acquire_ms(), "usage acquire_ms"),
      .ttft_ms = reader.Finite(in->ttft_ms(), "usage ttft_ms"),
      .total_ms = reader.Finite(in->total_ms(), "usage total_ms"),
      .repair = reader.Enum<Repair>(in->repair(), {Repair::kNone, Repair::kFull}, "usage repair"),
      .linked_tokens = in->linked_tokens(),
      .recomputed_tokens = in->recomputed_tokens(),
      .units = reader.Tables<UnitUsage>(
          in->units(), "usage units",
          [&](const wire::UnitUsage* unit) { return ReadUnitUsage(reader, unit); }),
      .samples = reader.Tables<SampleUsage>(
          in->samples(), "usage samples", [&](const wire::SampleUsage* sample) -> SampleUsage {
            return {.finish = ReadFinish(reader, sample->finish()),
                    .generated_tokens = sample->generated_tokens()};
          })};
}

}  // namespace promptcache
