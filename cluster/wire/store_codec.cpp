// Messages to and from cachestores.
#include <algorithm>

#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using wire::Reader;
using wire::Writer;

uint32_t WriteBody(Writer& writer, const FetchBlob& in) {
  const auto window = writer.Text(in.window);
  const wire::Digest key = Writer::ToDigest(in.key.bytes);
  return wire::CreateFetchBlob(writer.builder(), &key, in.offset, in.length, in.credit, in.inspect,
                               window)
      .o;
}
void ReadBody(Reader& reader, const wire::FetchBlob& in, FetchBlob* out) {
  *out = {.key = reader.Digest256<UnitKey>(in.key(), "fetch key"),
          .offset = in.offset(),
          .length = in.length(),
          .credit = in.credit(),
          .inspect = in.inspect(),
          .window = reader.Name(in.window(), "fetch window")};
}

uint32_t WriteBody(Writer& writer, const Credit& in) {
  return wire::CreateCredit(writer.builder(), in.bytes).o;
}
void ReadBody(Reader&, const wire::Credit& in, Credit* out) { out->bytes = in.bytes(); }

uint32_t WriteBody(Writer& writer, const Chunk& in) {
  const wire::Hash hash(in.hash.low, in.hash.high);
  return wire::CreateChunk(writer.builder(), in.offset, in.blob_bytes, in.window_bytes,
                           in.hash == Hash128{} ? nullptr : &hash)
      .o;
}
void ReadBody(Reader&, const wire::Chunk& in, Chunk* out) {
  *out = {.offset = in.offset(), .blob_bytes = in.blob_bytes(), .window_bytes = in.window_bytes()};
  if (in.hash() != nullptr) out->hash = {.low = in.hash()->low(), .high = in.hash()->high()};
}

uint32_t WriteBody(Writer& writer, const Done& in) {
  const auto message = writer.Text(in.message);
  return wire::CreateDone(writer.builder(), static_cast<wire::Code>(in.code), message, in.bytes,
                          in.committed)
      .o;
}
void ReadBody(Reader& reader, const wire::Done& in, Done* out) {
  *out = {.code = reader.Enum<Code>(in.code(), {Code::kOk, Code::kInternal}, "done code"),
          .message = reader.Text(in.message()),
          .bytes = in.bytes(),
          .committed = in.committed()};
}

uint32_t WriteBody(Writer& writer, const PutBlob& in) {
  const wire::Digest key = Writer::ToDigest(in.key.bytes);
  const auto imports = writer.Tables<wire::Import>(
      in.imports, [&](const Import& import) { return WriteImport(writer, import); });
  return wire::CreatePutBlob(writer.builder(), &key, in.bytes, imports).o;
}
void ReadBody(Reader& reader, const wire::PutBlob& in, PutBlob* out) {
  *out = {.key = reader.Digest256<UnitKey>(in.key(), "put key"),
          .bytes = in.bytes(),
          .imports = reader.Tables<Import>(
              in.imports(), "put imports",
              [&](const wire::Import* import) { return ReadImport(reader, import); })};
}

uint32_t WriteBody(Writer& writer, const PutCommit&) {
  return wire::CreatePutCommit(writer.builder()).o;
}
void ReadBody(Reader&, const wire::PutCommit&, PutCommit*) {}

uint32_t WriteBody(Writer& writer, const BlobExists& in) {
  const auto keys = writer.Digests(in.keys);
  return wire::CreateBlobExists(writer.builder(), keys).o;
}
void ReadBody(Reader& reader, const wire::BlobExists& in, BlobExists* out) {
  out->keys = reader.Digests<UnitKey>(in.keys());
}

uint32_t WriteBody(Writer& writer, const BlobExistsReply& in) {
  const auto present =
      writer.Bytes({reinterpret_cast<const char*>(in.present.data()), in.present.size()});
  return wire::CreateBlobExistsReply(writer.builder(), present).o;
}
void ReadBody(Reader& reader, const wire::BlobExistsReply& in, BlobExistsReply* out) {
  const std::string present = reader.Bytes(in.present());
  out->present.assign(present.begin(), present.end());
  if (std::any_of(out->present.begin(), out->present.end(), [](uint8_t b) { return b > 1; })) {
    reader.Fail("present has a value other than 0 and 1");
  }
}

uint32_t WriteBody(Writer& writer, const BlobList& in) {
  const wire::Digest after = Writer::ToDigest(in.after.value_or(UnitKey()).bytes);
  return wire::CreateBlobList(writer.builder(), in.after ? &after : nullptr, in.limit).o;
}
void ReadBody(Reader& reader, const wire::BlobList& in, BlobList* out) {
  if (in.after() != nullptr) out->after = reader.Digest256<UnitKey>(in.after(), "list after");
  out->limit = in.limit();
}

namespace {

flatbuffers::Offset<wire::BlobRecord> WriteBlobRecord(Writer& writer, const BlobRecord& in) {
  const auto identity = WriteIdentity(writer, in.identity);
  const flatbuffers::Offset<wire::BlobUse> use =
      in.use == BlobUse() ? 0 : WriteBlobUse(writer, in.use);
  const wire::Digest key = Writer::ToDigest(in.key.bytes);
  const wire::Digest recipe = Writer::ToDigest(in.recipe.bytes);
  return wire::CreateBlobRecord(writer.builder(), &key, &recipe, identity,
                                static_cast<wire::EncodingMode>(in.mode), in.bytes, in.tokens,
                                in.context_tokens, in.committed_unix_ms, in.encode_seconds, use);
}

BlobRecord ReadBlobRecord(Reader& reader, const wire::BlobRecord* in) {
  return {.key = reader.Digest256<UnitKey>(in->key(), "blob key"),
          .recipe = reader.Digest256<RecipeDigest>(in->recipe(), "blob recipe"),
          .identity = ReadIdentity(reader, in->identity()),
          .mode = reader.Enum<EncodingMode>(
              in->mode(), {EncodingMode::kAnchored, EncodingMode::kScaffoldSet}, "blob mode"),
          .bytes = in->bytes(),
          .tokens = in->tokens(),
          .context_tokens = in->context_tokens(),
          .committed_unix_ms = in->committed_unix_ms(),
          .encode_seconds = reader.Finite(in->encode_seconds(), "blob encode_seconds"),
          .use = in->use() != nullptr ? ReadBlobUse(reader, in->use()) : BlobUse()};
}

}  // namespace

uint32_t WriteBody(Writer& writer, const BlobListReply& in) {
  const auto blobs = writer.Tables<wire::BlobRecord>(
      in.blobs, [&](const BlobRecord& record) { return WriteBlobRecord(writer, record); });
  return wire::CreateBlobListReply(writer.builder(), blobs, in.puts, in.gets, in.hits,
                                   in.corruptions, in.bytes, in.more)
      .o;
}
void ReadBody(Reader& reader, const wire::BlobListReply& in, BlobListReply* out) {
  *out = {.blobs = reader.Tables<BlobRecord>(
              in.blobs(), "blobs",
              [&](const wire::BlobRecord* record) { return ReadBlobRecord(reader, record); }),
          .puts = in.puts(),
          .gets = in.gets(),
          .hits = in.hits(),
          .corruptions = in.corruptions(),
          .bytes = in.bytes(),
          .more = in.more()};
}

uint32_t WriteBody(Writer& writer, const BlobRemove& in) {
  const wire::Digest key = Writer::ToDigest(in.key.bytes);
  return wire::CreateBlobRemove(writer.builder(), &key, in.corrupt).o;
}
void ReadBody(Reader& reader, const wire::BlobRemove& in, BlobRemove* out) {
  *out = {.key = reader.Digest256<UnitKey>(in.key(), "blob key"), .corrupt = in.corrupt()};
}

uint32_t WriteBody(Writer& writer, const MetaGet& in) {
  const auto key = writer.Text(in.key);
  return wire::CreateMetaGet(writer.builder(), key).o;
}
void ReadBody(Reader& reader, const wire::MetaGet& in, MetaGet* out) {
  out->key = reader.Text(in.key());
}

uint32_t WriteBody(Writer& writer, const MetaSet& in) {
  const auto key = writer.Text(in.key);
  const auto value = writer.Bytes(in.value);
  const auto fence = writer.Text(in.fence);
  return wire::CreateMetaSet(writer.builder(), key, in.expected, in.remove, value, fence,
                             in.fence_revision)
      .o;
}
void ReadBody(Reader& reader, const wire::MetaSet& in, MetaSet* out) {
  *out = {.key = reader.Text(in.key()),
          .expected = in.expected(),
          .remove = in.remove(),
          .value = reader.Bytes(in.value()),
          .fence = reader.Text(in.fence()),
          .fence_revision = in.fence_revision()};
}

uint32_t WriteBody(Writer& writer, const MetaList& in) {
  const auto prefix = writer.Text(in.prefix);
  const auto after = writer.Text(in.after);
  return wire::CreateMetaList(writer.builder(), prefix, after, in.limit).o;
}
void ReadBody(Reader& reader, const wire::MetaList& in, MetaList* out) {
  out->prefix = reader.Text(in.prefix());
  out->after = reader.Text(in.after());
  out->limit = in.limit();
}

uint32_t WriteBody(Writer& writer, const MetaReply& in) {
  const auto entries = writer.Tables<wire::MetaRecord>(in.entries, [&](const MetaRecord& entry) {
    const auto key = writer.Text(entry.key);
    const auto value = writer.Bytes(entry.value);
    return wire::CreateMetaRecord(writer.builder(), key, value, entry.revision);
  });
  return wire::CreateMetaReply(writer.builder(), entries, in.more).o;
}
void ReadBody(Reader& reader, const wire::MetaReply& in, MetaReply* out) {
  out->entries = reader.Tables<MetaRecord>(in.entries(), "meta entries",
                                           [&](const wire::MetaRecord* entry) -> MetaRecord {
                                             return {.key = reader.Text(entry->key()),
                                                     .value = reader.Bytes(entry->value()),
                                                     .revision = entry->revision()};
                                           });
  out->more = in.more();
}

}  // namespace promptcache
