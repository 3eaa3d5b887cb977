// What cachestores hear and say.
#include "tests/unit/wire/samples/samples.h"

namespace promptcache::testing {
namespace {

BlobRecord SampleBlob() {
  return {.key = SampleDigest(3),
          .recipe = SampleDigest(4),
          .identity = SampleIdentity(),
          .mode = EncodingMode::kScaffoldSet,
          .bytes = 1ULL << 40,
          .tokens = 300,
          .context_tokens = 12,
          .committed_unix_ms = 1'700'000'000'123,
          .encode_seconds = 0.125};
}

Import SampleImport() {
  return {{"acme", "support", "0123456789abcdef", "support/refunds"},
          {.ttl_ms = 1ULL << 40, .pinned = true}};
}

BlobSelector SampleSelector() {
  return {.tenant = "acme",
          .schema = "support",
          .version = "0123456789abcdef",
          .module = "support/refunds",
          .keys = {SampleDigest(21), SampleDigest(22)}};
}

}  // namespace

LinkSamples StoreSamples() {
  BlobRecord used = SampleBlob();
  used.use = {.used_unix_ms = 1'700'000'000'456,
              .imports = 12,
              .weight = 3.25,
              .pinned = true,
              .references = {{SampleImport().reference, SampleImport().lifetime, 77}}};
  return {
      .messages =
          {FetchBlob{.key = SampleDigest(11), .offset = 4096, .length = 1 << 20, .credit = 8 << 20},
           Credit{.bytes = 1 << 20},
           Chunk{.offset = 1ULL << 35, .blob_bytes = 1ULL << 36},
           Done{.code = Code::kDataLoss, .message = "checksum", .bytes = 12, .committed = true},
           PutBlob{.key = SampleDigest(12), .bytes = 1ULL << 33},
           PutCommit{},
           BlobExists{.keys = {SampleDigest(13), SampleDigest(14)}},
           BlobExistsReply{.present = {1, 0, 1}},
           BlobList{},
           BlobListReply{.blobs = {SampleBlob()},
                         .puts = 1,
                         .gets = 2,
                         .hits = 3,
                         .corruptions = 4,
                         .bytes = 5},
           BlobRemove{.key = SampleDigest(15), .corrupt = true},
           MetaGet{.key = "schema/support"},
           MetaSet{.key = "schema/support",
                   .expected = 41,
                   .remove = true,
                   .value = std::string("\0\xff\x80", 3)},
           MetaList{.prefix = "schema/"},
           MetaReply{.entries = {{"schema/a", std::string("\0\1", 2), 42}, {"schema/b", "", 43}}},
           RecordImports{.imports = {{SampleDigest(20), SampleImport()}}},
           StoreStatsQuery{},
           StoreStats{.blobs = 1,
                      .bytes = 2,
                      .puts = 3,
                      .gets = 4,
                      .hits = 5,
                      .corruptions = 6,
                      .evictions = 7,
                      .expirations = 8,
                      .refused_pins = 9,
                      .pinned_bytes = 10,
                      .quota_bytes = 11,
                      .pin_quota_bytes = 12,
                      .free_bytes = 1ULL << 41,
                      .payload_bytes = 14,
                      .written_bytes = 15,
                      .read_only = "the disk is full"},
           RemoveReferences{.selector = SampleSelector(), .erasure = Erasure::kProve},
           RemovalReceipt{.references = 3,
                          .removed = {{SampleDigest(23), 1ULL << 33}},
                          .shared = {{SampleDigest(24), 7, {SampleImport().reference}}},
                          .still_on_disk = {SampleDigest(23)}},
           SetPins{.selector = SampleSelector(), .change = PinChange::kUnpin},
           PinReceipt{.blobs = 1, .refused = 2, .pinned_bytes = 1ULL << 34, .pin_quota_bytes = 4},
           CheckStore{.mode = CheckMode::kRepair},
           CheckReport{
               .blobs = 1,
               .files = 2,
               .references = 3,
               .findings = {{"manifest damaged", "93ab", true}, {"chunks missing", "77cd"}}},
           CollectGarbage{},
           GarbageReport{.expired_blobs = 1,
                         .expired_references = 2,
                         .evicted_blobs = 3,
                         .freed_bytes = 1ULL << 35,
                         .orphans = 5}},
      .appended = {
          {"window", FetchBlob{.key = SampleDigest(30), .window = "/promptcache-00ff"}},
          {"window", Chunk{.offset = 7, .blob_bytes = 1ULL << 36, .window_bytes = 1 << 20}},
          {"hash", Chunk{.offset = 7, .blob_bytes = 9, .hash = {.low = 1, .high = ~0ULL}}},
          {"lock_wait", StoreStats{.lock_wait_us = 12'345}},
          {"idle", StoreStats{.idle_transfers = 3}},
          {"inspect", FetchBlob{.key = SampleDigest(30), .inspect = true}},
          {"imports", PutBlob{.key = SampleDigest(31), .bytes = 5, .imports = {SampleImport()}}},
          {"page", BlobList{.after = SampleDigest(32), .limit = 100}},
          {"page", BlobListReply{.blobs = {used}, .more = true}},
          {"fence",
           MetaSet{.key = "batch/b", .fence = "batch/b/owner", .fence_revision = 1ULL << 40}},
          {"page", MetaList{.prefix = "batch/", .after = "batch/a", .limit = 50}},
          {"page", MetaReply{.entries = {{"batch/b", "x", 9}}, .more = true}}}};
}

}  // namespace promptcache::testing
