// What operators ask of cachestores, and who uses what is in them.
#include "cluster/wire/bodies.h"
#include "schemas/wire/access.h"

namespace promptcache {

using wire::Reader;
using wire::Writer;

// ---- values ----

uint32_t WriteReference(Writer& writer, const Reference& in) {
  const auto tenant = writer.Text(in.tenant);
  const auto schema = writer.Text(in.schema);
  const auto version = writer.Text(in.version);
  const auto module = writer.Text(in.module);
  return wire::CreateReference(writer.builder(), tenant, schema, version, module).o;
}

Reference ReadReference(Reader& reader, const wire::Reference* in) {
  if (reader.Need(in, "reference") == nullptr) return {};
  return {.tenant = reader.Name(in->tenant(), "tenant"),
          .schema = reader.Text(in->schema()),
          .version = reader.Name(in->version(), "version"),
          .module = reader.Text(in->module_())};
}

uint32_t WriteImport(Writer& writer, const Import& in) {
  const flatbuffers::Offset<wire::Reference> reference = WriteReference(writer, in.reference);
  return wire::CreateImport(writer.builder(), reference, in.lifetime.ttl_ms, in.lifetime.pinned).o;
}

Import ReadImport(Reader& reader, const wire::Import* in) {
  if (reader.Need(in, "import") == nullptr) return {};
  return {.reference = ReadReference(reader, in->reference()),
          .lifetime = {.ttl_ms = in->ttl_ms(), .pinned = in->pinned()}};
}

uint32_t WriteBlobUse(Writer& writer, const BlobUse& in) {
  const auto references =
      writer.Tables<wire::BlobReference>(in.references, [&](const BlobReference& one) {
        const flatbuffers::Offset<wire::Import> import =
            WriteImport(writer, {one.reference, one.lifetime});
        return wire::CreateBlobReference(writer.builder(), import, one.imported_unix_ms);
      });
  return wire::CreateBlobUse(writer.builder(), in.used_unix_ms, in.imports, in.weight, in.pinned,
                             references)
      .o;
}

BlobUse ReadBlobUse(Reader& reader, const wire::BlobUse* in) {
  if (reader.Need(in, "use") == nullptr) return {};
  return {.used_unix_ms = in->used_unix_ms(),
          .imports = in->imports(),
          .weight = reader.Finite(in->weight(), "use weight"),
          .pinned = in->pinned(),
          .references = reader.Tables<BlobReference>(
              in->references(), "references", [&](const wire::BlobReference* one) -> BlobReference {
                Import import = ReadImport(reader, one->import_());
                return {.reference = std::move(import.reference),
                        .lifetime = import.lifetime,
                        .imported_unix_ms = one->imported_unix_ms()};
              })};
}

namespace {

flatbuffers::Offset<wire::BlobSelector> WriteSelector(Writer& writer, const BlobSelector& in) {
  const auto tenant = writer.Text(in.tenant);
  const auto schema = writer.Text(in.schema);
  const auto version = writer.Text(in.version);
  const auto module = writer.Text(in.module);
  const auto keys = writer.Digests(in.keys);
  return wire::CreateBlobSelector(writer.builder(), tenant, schema, version, module, keys);
}

BlobSelector ReadSelector(Reader& reader, const wire::BlobSelector* in) {
  if (reader.Need(in, "selector") == nullptr) return {};
  return {.tenant = reader.Name(in->tenant(), "tenant"),
          .schema = reader.Text(in->schema()),
          .version = reader.Name(in->version(), "version"),
          .module = reader.Text(in->module_()),
          .keys = reader.Digests<UnitKey>(in->keys())};
}

}  // namespace

// ---- messages ----

uint32_t WriteBody(Writer& writer, const RecordImports& in) {
  const auto imports = writer.Tables<wire::UnitImport>(in.imports, [&](const UnitImport& one) {
    const flatbuffers::Offset<wire::Import> import = WriteImport(writer, one.import);
    const wire::Digest key = Writer::ToDigest(one.key.bytes);
    return wire::CreateUnitImport(writer.builder(), &key, import);
  });
  return wire::CreateRecordImports(writer.builder(), imports).o;
}
void ReadBody(Reader& reader, const wire::RecordImports& in, RecordImports* out) {
  out->imports = reader.Tables<UnitImport>(
      in.imports(), "imports", [&](const wire::UnitImport* one) -> UnitImport {
        return {.key = reader.Digest256<UnitKey>(one->key(), "import key"),
                .import = ReadImport(reader, one->import_())};
      });
}

uint32_t WriteBody(Writer& writer, const StoreStatsQuery&) {
  return wire::CreateStoreStatsQuery(writer.builder()).o;
}
void ReadBody(Reader&, const wire::StoreStatsQuery&, StoreStatsQuery*) {}

uint32_t WriteBody(Writer& writer, const StoreStats& in) {
  const auto read_only = writer.Text(in.read_only);
  return wire::CreateStoreStats(writer.builder(), in.blobs, in.bytes, in.puts, in.gets, in.hits,
                                in.corruptions, in.evictions, in.expirations, in.refused_pins,
                                in.pinned_bytes, in.quota_bytes, in.pin_quota_bytes, in.free_bytes,
                                in.payload_bytes, in.written_bytes, read_only, in.lock_wait_us,
                                in.idle_transfers)
      .o;
}
void ReadBody(Reader& reader, const wire::StoreStats& in, StoreStats* out) {
  *out = {.blobs = in.blobs(),
          .bytes = in.bytes(),
          .puts = in.puts(),
          .gets = in.gets(),
          .hits = in.hits(),
          .corruptions = in.corruptions(),
          .evictions = in.evictions(),
          .expirations = in.expirations(),
          .refused_pins = in.refused_pins(),
          .pinned_bytes = in.pinned_bytes(),
          .quota_bytes = in.quota_bytes(),
          .pin_quota_bytes = in.pin_quota_bytes(),
          .free_bytes = in.free_bytes(),
          .payload_bytes = in.payload_bytes(),
          .written_bytes = in.written_bytes(),
          .read_only = reader.Text(in.read_only()),
          .lock_wait_us = in.lock_wait_us(),
          .idle_transfers = in.idle_transfers()};
}

uint32_t WriteBody(Writer& writer, const RemoveReferences& in) {
  const auto selector = WriteSelector(writer, in.selector);
  return wire::CreateRemoveReferences(writer.builder(), selector,
                                      static_cast<wire::Erasure>(in.erasure))
      .o;
}
void ReadBody(Reader& reader, const wire::RemoveReferences& in, RemoveReferences* out) {
  *out = {
      .selector = ReadSelector(reader, in.selector()),
      .erasure = reader.Enum<Erasure>(in.erasure(), {Erasure::kDrop, Erasure::kProve}, "erasure")};
}

uint32_t WriteBody(Writer& writer, const RemovalReceipt& in) {
  const auto removed = writer.Tables<wire::RemovedBlob>(in.removed, [&](const RemovedBlob& blob) {
    const wire::Digest key = Writer::ToDigest(blob.key.bytes);
    return wire::CreateRemovedBlob(writer.builder(), &key, blob.bytes);
  });
  const auto shared = writer.Tables<wire::KeptBlob>(in.shared, [&](const KeptBlob& blob) {
    const auto references = writer.Tables<wire::Reference>(
        blob.references, [&](const Reference& one) { return WriteReference(writer, one); });
    const wire::Digest key = Writer::ToDigest(blob.key.bytes);
    return wire::CreateKeptBlob(writer.builder(), &key, blob.bytes, references);
  });
  const auto still_on_disk = writer.Digests(in.still_on_disk);
  return wire::CreateRemovalReceipt(writer.builder(), in.references, removed, shared, still_on_disk)
      .o;
}
void ReadBody(Reader& reader, const wire::RemovalReceipt& in, RemovalReceipt* out) {
  *out = {.references = in.references(),
          .removed = reader.Tables<RemovedBlob>(in.removed(), "removed blobs",
                                                [&](const wire::RemovedBlob* blob) -> RemovedBlob {
                                                  return {.key = reader.Digest256<UnitKey>(
                                                              blob->key(), "removed key"),
                                                          .bytes = blob->bytes()};
                                                }),
          .shared = reader.Tables<KeptBlob>(
              in.shared(), "shared blobs",
              [&](const wire::KeptBlob* blob) -> KeptBlob {
                return {.key = reader.Digest256<UnitKey>(blob->key(), "shared key"),
                        .bytes = blob->bytes(),
                        .references = reader.Tables<Reference>(
                            blob->references(), "references left", [&](const wire::Reference* one) {
                              return ReadReference(reader, one);
                            })};
              }),
          .still_on_disk = reader.Digests<UnitKey>(in.still_on_disk())};
}

uint32_t WriteBody(Writer& writer, const SetPins& in) {
  const auto selector = WriteSelector(writer, in.selector);
  return wire::CreateSetPins(writer.builder(), selector, static_cast<wire::PinChange>(in.change)).o;
}
void ReadBody(Reader& reader, const wire::SetPins& in, SetPins* out) {
  *out = {.selector = ReadSelector(reader, in.selector()),
          .change = reader.Enum<PinChange>(in.change(), {PinChange::kPin, PinChange::kUnpin},
                                           "pin change")};
}

uint32_t WriteBody(Writer& writer, const PinReceipt& in) {
  return wire::CreatePinReceipt(writer.builder(), in.blobs, in.refused, in.pinned_bytes,
                                in.pin_quota_bytes)
      .o;
}
void ReadBody(Reader&, const wire::PinReceipt& in, PinReceipt* out) {
  *out = {.blobs = in.blobs(),
          .refused = in.refused(),
          .pinned_bytes = in.pinned_bytes(),
          .pin_quota_bytes = in.pin_quota_bytes()};
}

uint32_t WriteBody(Writer& writer, const CheckStore& in) {
  return wire::CreateCheckStore(writer.builder(), static_cast<wire::CheckMode>(in.mode)).o;
}
void ReadBody(Reader& reader, const wire::CheckStore& in, CheckStore* out) {
  out->mode =
      reader.Enum<CheckMode>(in.mode(), {CheckMode::kReport, CheckMode::kRepair}, "check mode");
}

uint32_t WriteBody(Writer& writer, const CheckReport& in) {
  const auto findings =
      writer.Tables<wire::CheckFinding>(in.findings, [&](const CheckFinding& finding) {
        const auto kind = writer.Text(finding.kind);
        const auto where = writer.Text(finding.where);
        return wire::CreateCheckFinding(writer.builder(), kind, where, finding.repaired);
      });
  return wire::CreateCheckReport(writer.builder(), in.blobs, in.files, in.references, findings).o;
}
void ReadBody(Reader& reader, const wire::CheckReport& in, CheckReport* out) {
  *out = {.blobs = in.blobs(),
          .files = in.files(),
          .references = in.references(),
          .findings = reader.Tables<CheckFinding>(
              in.findings(), "findings", [&](const wire::CheckFinding* finding) -> CheckFinding {
                return {.kind = reader.Text(finding->kind()),
                        .where = reader.Text(finding->where()),
                        .repaired = finding->repaired()};
              })};
}

uint32_t WriteBody(Writer& writer, const CollectGarbage&) {
  return wire::CreateCollectGarbage(writer.builder()).o;
}
void ReadBody(Reader&, const wire::CollectGarbage&, CollectGarbage*) {}

uint32_t WriteBody(Writer& writer, const GarbageReport& in) {
  return wire::CreateGarbageReport(writer.builder(), in.expired_blobs, in.expired_references,
                                   in.evicted_blobs, in.freed_bytes, in.orphans)
      .o;
}
void ReadBody(Reader&, const wire::GarbageReport& in, GarbageReport* out) {
  *out = {.expired_blobs = in.expired_blobs(),
          .expired_references = in.expired_references(),
          .evicted_blobs = in.evicted_blobs(),
          .freed_bytes = in.freed_bytes(),
          .orphans = in.orphans()};
}

}  // namespace promptcache
