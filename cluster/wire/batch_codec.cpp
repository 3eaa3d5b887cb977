// Batches.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using flatbuffers::Offset;
using wire::Reader;
using wire::Writer;

namespace {

constexpr uint32_t kMaxBatchItems = 65'536;

Offset<wire::BatchItem> WriteItem(Writer& writer, const BatchItem& in) {
  const auto name = writer.Text(in.name);
  const Offset<wire::Submit> submit = WriteBody(writer, in.submit);
  return wire::CreateBatchItem(writer.builder(), name, submit, in.timeout_ms);
}

BatchItem ReadItem(Reader& reader, const wire::BatchItem* in) {
  BatchItem item{.name = reader.Text(in->name()), .timeout_ms = in->timeout_ms()};
  const wire::Submit* submit = reader.Need(reader.Nested(in->submit()), "batch item submit");
  if (submit != nullptr) ReadBody(reader, *submit, &item.submit);
  return item;
}

Offset<wire::BatchInfo> WriteInfo(Writer& writer, const BatchInfo& in) {
  const wire::RequestId id = wire::ToWire(in.id);
  const auto tenant = writer.Text(in.tenant);
  const auto coordinator = writer.Text(in.coordinator);
  return wire::CreateBatchInfo(writer.builder(), &id, tenant, in.added_unix_ms, in.items, in.ended,
                               in.failed, coordinator);
}

BatchInfo ReadInfo(Reader& reader, const wire::BatchInfo* in) {
  if (reader.Need(in->id(), "batch id") == nullptr) return {};
  return {.id = wire::FromWire<RequestId>(*in->id()),
          .tenant = reader.Text(in->tenant()),
          .added_unix_ms = in->added_unix_ms(),
          .items = in->items(),
          .ended = in->ended(),
          .failed = in->failed(),
          .coordinator = reader.Text(in->coordinator())};
}

Offset<wire::BatchResult> WriteResult(Writer& writer, const BatchResult& in) {
  const auto name = writer.Text(in.name);
  const Offset<wire::Final> final = WriteBody(writer, in.final);
  const auto samples = writer.Tables<wire::BatchSample>(in.samples, [&](const BatchSample& sample) {
    const auto tokens = writer.Ints(sample.tokens);
    const auto text = writer.Text(sample.text);
    return wire::CreateBatchSample(writer.builder(), tokens, text);
  });
  return wire::CreateBatchResult(writer.builder(), in.item, name, final, samples);
}

BatchResult ReadResult(Reader& reader, const wire::BatchResult* in) {
  BatchResult result{.item = in->item(), .name = reader.Text(in->name())};
  const wire::Final* final = reader.Need(reader.Nested(in->final()), "batch result final");
  if (final != nullptr) ReadBody(reader, *final, &result.final);
  result.samples = reader.Tables<BatchSample>(
      in->samples(), "batch samples", [&](const wire::BatchSample* sample) -> BatchSample {
        return {.tokens = reader.Ints(sample->tokens()), .text = reader.Text(sample->text())};
      });
  return result;
}

}  // namespace

uint32_t WriteBody(Writer& writer, const BatchAdd& in) {
  const auto items = writer.Tables<wire::BatchItem>(
      in.items, [&](const BatchItem& item) { return WriteItem(writer, item); });
  return wire::CreateBatchAdd(writer.builder(), items).o;
}
void ReadBody(Reader& reader, const wire::BatchAdd& in, BatchAdd* out) {
  // A coordinator takes no more in one batch: they are not read only to be refused.
  if (in.items() != nullptr && in.items()->size() > kMaxBatchItems) {
    reader.Fail("a batch of " + std::to_string(in.items()->size()) + " items, the limit is " +
                std::to_string(kMaxBatchItems) + ": send them in several batches");
  }
  out->items =
      reader.Tables<BatchItem>(in.items(), "batch items",
                               [&](const wire::BatchItem* item) { return ReadItem(reader, item); });
}

uint32_t WriteBody(Writer& writer, const BatchQuery& in) {
  const wire::RequestId id = wire::ToWire(in.batch.value_or(RequestId{}));
  return wire::CreateBatchQuery(writer.builder(), in.batch ? &id : nullptr, in.first, in.limit).o;
}
void ReadBody(Reader&, const wire::BatchQuery& in, BatchQuery* out) {
  if (in.batch() != nullptr) out->batch = wire::FromWire<RequestId>(*in.batch());
  out->first = in.first();
  out->limit = in.limit();
}

uint32_t WriteBody(Writer& writer, const BatchReply& in) {
  const auto batches = writer.Tables<wire::BatchInfo>(
      in.batches, [&](const BatchInfo& info) { return WriteInfo(writer, info); });
  const auto results = writer.Tables<wire::BatchResult>(
      in.results, [&](const BatchResult& result) { return WriteResult(writer, result); });
  return wire::CreateBatchReply(writer.builder(), batches, results, in.more).o;
}
void ReadBody(Reader& reader, const wire::BatchReply& in, BatchReply* out) {
  out->batches = reader.Tables<BatchInfo>(
      in.batches(), "batches", [&](const wire::BatchInfo* info) { return ReadInfo(reader, info); });
  out->results = reader.Tables<BatchResult>(
      in.results(), "batch results",
      [&](const wire::BatchResult* result) { return ReadResult(reader, result); });
  out->more = in.more();
}

uint32_t WriteBody(Writer& writer, const BatchRemove& in) {
  const wire::RequestId id = wire::ToWire(in.batch);
  return wire::CreateBatchRemove(writer.builder(), &id).o;
}
void ReadBody(Reader& reader, const wire::BatchRemove& in, BatchRemove* out) {
  if (reader.Need(in.batch(), "batch id") != nullptr)
    out->batch = wire::FromWire<RequestId>(*in.batch());
}

}  // namespace promptcache
