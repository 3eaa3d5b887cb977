// Messages between clients and coordinators.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using wire::Reader;
using wire::Writer;

uint32_t WriteBody(Writer& writer, const Submit& in) {
  const auto model = writer.Text(in.model);
  const auto prompt = writer.Text(in.prompt);
  const auto options = WriteGenerationOptions(writer, in.options);
  const auto tried = writer.Texts(in.tried);
  const auto delivered = WriteDelivered(writer, in.delivered);
  const auto version = writer.Text(in.version);
  return wire::CreateSubmit(
             writer.builder(), model, prompt, options, static_cast<wire::ReuseMode>(in.reuse),
             static_cast<wire::Repair>(in.repair.value_or(Repair::kNone)),
             in.repair == Repair::kNone, in.linked_tokens, in.priority, tried, delivered, version)
      .o;
}
void ReadBody(Reader& reader, const wire::Submit& in, Submit* out) {
  out->model = reader.Text(in.model());
  out->prompt = reader.Text(in.prompt());
  out->options = ReadGenerationOptions(reader, in.options());
  out->reuse = reader.Enum<ReuseMode>(in.reuse(), {ReuseMode::kReuse, ReuseMode::kFullContiguous},
                                      "submit reuse");
  const auto repair =
      reader.Enum<Repair>(in.repair(), {Repair::kNone, Repair::kFull}, "submit repair");
  if (in.repair_given() || repair != Repair::kNone) out->repair = repair;
  out->linked_tokens = in.linked_tokens();
  out->priority = in.priority();
  out->tried = reader.Texts(in.tried(), "submit tried");
  out->delivered = ReadDelivered(reader, in.delivered());
  out->version = reader.Text(in.version());
}

uint32_t WriteBody(Writer& writer, const Accepted& in) {
  const auto schema = writer.Text(in.schema);
  const auto version = writer.Text(in.version);
  return wire::CreateAccepted(writer.builder(), schema, version, in.prompt_tokens).o;
}
void ReadBody(Reader& reader, const wire::Accepted& in, Accepted* out) {
  out->schema = reader.Text(in.schema());
  out->version = reader.Text(in.version());
  out->prompt_tokens = in.prompt_tokens();
}

namespace {

flatbuffers::Offset<wire::TokenLogprob> WriteLogprob(Writer& writer, const TokenLogprob& in) {
  const auto bytes = writer.Bytes(in.bytes);
  return wire::CreateTokenLogprob(writer.builder(), in.id, in.logprob, bytes);
}

TokenLogprob ReadLogprob(Reader& reader, const wire::TokenLogprob* in) {
  if (reader.Need(in, "logprob") == nullptr) return {};
  return {.id = in->id(),
          .logprob = reader.Finite(in->logprob(), "logprob"),
          .bytes = reader.Bytes(in->bytes())};
}

flatbuffers::Offset<wire::TokenLogprobs> WriteLogprobs(Writer& writer, const TokenLogprobs& in) {
  const auto chosen = WriteLogprob(writer, in.chosen);
  const auto top = writer.Tables<wire::TokenLogprob>(
      in.top, [&](const TokenLogprob& one) { return WriteLogprob(writer, one); });
  return wire::CreateTokenLogprobs(writer.builder(), chosen, top);
}

TokenLogprobs ReadLogprobs(Reader& reader, const wire::TokenLogprobs* in) {
  return {
      .chosen = ReadLogprob(reader, reader.Nested(in->chosen())),
      .top = reader.Tables<TokenLogprob>(in->top(), "logprobs", [&](const wire::TokenLogprob* one) {
        return ReadLogprob(reader, one);
      })};
}

// Whoever reads a part may use its numbers as indices.
void CheckPartial(Reader& reader, const Partial& partial) {
  if (partial.sample >= GenerationOptions::kMaxSamples) {
    reader.Fail("partial sample " + std::to_string(partial.sample) + " is over the limit of " +
                std::to_string(GenerationOptions::kMaxSamples));
  }
  if (!partial.logprobs.empty() && partial.logprobs.size() != partial.tokens.size()) {
    reader.Fail("partial has " + std::to_string(partial.tokens.size()) +
                " tokens but logprobs of " + std::to_string(partial.logprobs.size()));
  }
}

}  // namespace

uint32_t WriteBody(Writer& writer, const Partial& in) {
  const auto tokens = writer.Ints(in.tokens);
  const auto text = writer.Text(in.text);
  const auto logprobs = writer.Tables<wire::TokenLogprobs>(
      in.logprobs, [&](const TokenLogprobs& token) { return WriteLogprobs(writer, token); });
  return wire::CreatePartial(writer.builder(), in.seq, tokens, text, in.sample, logprobs).o;
}
void ReadBody(Reader& reader, const wire::Partial& in, Partial* out) {
  *out = {.seq = in.seq(),
          .tokens = reader.Ints(in.tokens()),
          .text = reader.Text(in.text()),
          .sample = in.sample(),
          .logprobs = reader.Tables<TokenLogprobs>(
              in.logprobs(), "partial logprobs",
              [&](const wire::TokenLogprobs* token) { return ReadLogprobs(reader, token); })};
  CheckPartial(reader, *out);
}

uint32_t WriteBody(Writer& writer, const Final& in) {
  const auto message = writer.Text(in.message);
  const auto usage = WriteUsage(writer, in.usage);
  return wire::CreateFinal(writer.builder(), static_cast<wire::Code>(in.code), message, usage,
                           in.retry_after_ms)
      .o;
}
void ReadBody(Reader& reader, const wire::Final& in, Final* out) {
  out->code = reader.Enum<Code>(in.code(), {Code::kOk, Code::kInternal}, "final code");
  out->message = reader.Text(in.message());
  out->usage = ReadUsage(reader, in.usage());
  out->retry_after_ms = in.retry_after_ms();
}

uint32_t WriteBody(Writer& writer, const Cancel&) { return wire::CreateCancel(writer.builder()).o; }
void ReadBody(Reader&, const wire::Cancel&, Cancel*) {}

namespace {

using WireSources = flatbuffers::Vector<flatbuffers::Offset<wire::SourceFile>>;

flatbuffers::Offset<WireSources> WriteSources(Writer& writer, const std::vector<SourceFile>& in) {
  return writer.Tables<wire::SourceFile>(in, [&](const SourceFile& source) {
    const auto path = writer.Text(source.path);
    const auto text = writer.Text(source.text);
    return wire::CreateSourceFile(writer.builder(), path, text);
  });
}

std::vector<SourceFile> ReadSources(Reader& reader, const WireSources* in) {
  return reader.Tables<SourceFile>(
      in, "sources", [&](const wire::SourceFile* source) -> SourceFile {
        return {.path = reader.Text(source->path()), .text = reader.Text(source->text())};
      });
}

}  // namespace

uint32_t WriteBody(Writer& writer, const SchemaAdd& in) {
  const auto file = writer.Text(in.file);
  const auto document = writer.Text(in.document);
  const auto sources = WriteSources(writer, in.sources);
  return wire::CreateSchemaAdd(writer.builder(), file, document, in.max_tokens, sources, in.shared)
      .o;
}
void ReadBody(Reader& reader, const wire::SchemaAdd& in, SchemaAdd* out) {
  *out = {.file = reader.Text(in.file()),
          .document = reader.Text(in.document()),
          .max_tokens = in.max_tokens(),
          .sources = ReadSources(reader, in.sources()),
          .shared = in.shared()};
}

uint32_t WriteBody(Writer& writer, const SchemaList& in) {
  const auto name = writer.Text(in.name);
  return wire::CreateSchemaList(writer.builder(), name).o;
}
void ReadBody(Reader& reader, const wire::SchemaList& in, SchemaList* out) {
  out->name = reader.Text(in.name());
}

namespace {

flatbuffers::Offset<wire::SchemaInfo> WriteSchemaInfo(Writer& writer, const SchemaInfo& in) {
  const auto name = writer.Text(in.name);
  const auto version = writer.Text(in.version);
  const auto document = writer.Text(in.document);
  const auto sources = WriteSources(writer, in.sources);
  const auto tenant = writer.Text(in.tenant);
  return wire::CreateSchemaInfo(writer.builder(), name, version, in.tokens, in.units,
                                in.registered_unix_ms, in.current, document, sources, tenant,
                                in.shared);
}

SchemaInfo ReadSchemaInfo(Reader& reader, const wire::SchemaInfo* in) {
  return {.name = reader.Text(in->name()),
          .version = reader.Text(in->version()),
          .tokens = in->tokens(),
          .units = in->units(),
          .registered_unix_ms = in->registered_unix_ms(),
          .current = in->current(),
          .document = reader.Text(in->document()),
          .sources = ReadSources(reader, in->sources()),
          .tenant = reader.Text(in->tenant()),
          .shared = in->shared()};
}

}  // namespace

uint32_t WriteBody(Writer& writer, const SchemaReply& in) {
  const auto schemas = writer.Tables<wire::SchemaInfo>(
      in.schemas, [&](const SchemaInfo& info) { return WriteSchemaInfo(writer, info); });
  return wire::CreateSchemaReply(writer.builder(), schemas).o;
}
void ReadBody(Reader& reader, const wire::SchemaReply& in, SchemaReply* out) {
  out->schemas = reader.Tables<SchemaInfo>(
      in.schemas(), "schemas",
      [&](const wire::SchemaInfo* info) { return ReadSchemaInfo(reader, info); });
}

uint32_t WriteBody(Writer& writer, const SchemaRemove& in) {
  const auto name = writer.Text(in.name);
  return wire::CreateSchemaRemove(writer.builder(), name).o;
}
void ReadBody(Reader& reader, const wire::SchemaRemove& in, SchemaRemove* out) {
  out->name = reader.Text(in.name());
}

}  // namespace promptcache
