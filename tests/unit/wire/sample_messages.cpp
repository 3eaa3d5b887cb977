#include "tests/unit/wire/sample_messages.h"

#include "cluster/wire/codec.h"

namespace promptcache::testing {
namespace {

Digest256 SampleDigest(uint8_t first) {
  Digest256 digest;
  for (size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<uint8_t>(first + i * 7);
  }
  return digest;
}

Identity SampleIdentity() {
  return {.weights = "w1",
          .tokenizer = "t2",
          .positions = "rope theta=100000",
          .dtype = "bf16",
          .kv_layout = "lkhtd-v1",
          .encoder = "1"};
}

GenerationOptions SampleOptions() {
  return {.max_new_tokens = 17,
          .temperature = 0.75,
          .top_p = 0.9,
          .top_k = -40,
          .repetition_penalty = 1.25,
          .seed = 0xfedcba9876543210,
          .stop_ids = {0, 2, 49151},
          .stop_strings = {"</s>", std::string("a\0b", 3)}};
}

Plan SamplePlan() {
  return {.units = {{SampleDigest(1), "support", 12}, {SampleDigest(2), "support/refunds", 300}},
          .segments = {{0, 0, 12, 0, 0}, {1, 100, 200, 40, -60}},
          .new_tokens = {{5, 6, 7}, {240, 241, 300}},
          .next_position = 301,
          .repair = Repair::kLinked};
}

Usage SampleUsage() {
  return {.worker = "worker-1",
          .finish = FinishReason::kStop,
          .prompt_tokens = 215,
          .cached_tokens = 212,
          .reused_tokens = 200,
          .computed_tokens = 3,
          .encoded_tokens = 12,
          .generated_tokens = 9,
          .queue_ms = 0.5,
          .acquire_ms = 1.5,
          .ttft_ms = 20.25,
          .total_ms = 300.125,
          .repair = Repair::kFull,
          .units = {{"support", SampleDigest(1), Source::kEncoded, "not stored", 12, 4096, 3.5},
                    {"support/refunds", SampleDigest(2), Source::kDisk, "", 200, 65536, 2.25}}};
}

Recipe SampleRecipe(EncodingMode mode) {
  return {.mode = mode, .context = {{1, 2}, {-9, -8}}, .own = {{3, 4, 5}, {0, 1, 7}}};
}

WorkerStatus SampleWorker() {
  return {.name = "worker-1",
          .pid = 4242,
          .model = "smol",
          .device = "cuda:0",
          .identity = SampleIdentity(),
          .live = false,
          .active = 1,
          .queued = 2,
          .slots = 8,
          .units = 3,
          .unit_bytes = 1ULL << 33,
          .unit_limit_bytes = 1ULL << 34,
          .requests = 99,
          .prefill_tokens_per_s = 812.5};
}

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

StatusReply SampleStatus() {
  return {.coordinator = "c",
          .pid = 77,
          .uptime_ms = 1'234'567,
          .meta_available = true,
          .model = "smol",
          .context_length = 2048,
          .schemas = 4,
          .requests_active = 5,
          .requests_accepted = 600,
          .requests_failed = 7,
          .bad_frames = 8,
          .workers = {SampleWorker(), {.name = "worker-2"}}};
}

std::vector<Message> PeerMessages() {
  return {Hello{.role = PeerRole::kWorker,
                .min_version = 1,
                .max_version = 3,
                .name = "worker-1",
                .epoch = 0x0123456789abcdef,
                .capabilities = {"bf16", "lkhtd-v1"}},
          HelloAck{.version = 2,
                   .name = "c",
                   .epoch = 5,
                   .heartbeat_ms = 250,
                   .lease_ms = 750,
                   .max_frame_bytes = 1ULL << 33},
          Ping{}, Pong{},
          Reply{.code = Code::kNotFound, .message = "schema 'x' is not registered"}};
}

std::vector<Message> ClientMessages() {
  return {Submit{.model = "smol",
                 .prompt = "<prompt schema=\"support\"><refunds/>Hi</prompt>",
                 .options = SampleOptions(),
                 .reuse = ReuseMode::kFullContiguous,
                 .repair = Repair::kBlended},
          Accepted{.schema = "support", .version = "0123456789abcdef", .prompt_tokens = 215},
          Partial{.seq = 3, .tokens = {10, 11}, .text = "na\xc3\xafve"},
          Final{.code = Code::kDeadlineExceeded, .message = "late", .usage = SampleUsage()},
          Cancel{},
          SchemaAdd{.file = "support.xml", .document = "<schema/>", .max_tokens = 64},
          SchemaList{.name = "support"},
          SchemaReply{.schemas = {{.name = "support",
                                   .version = "0123456789abcdef",
                                   .tokens = 1500,
                                   .units = 9,
                                   .registered_unix_ms = 1'700'000'000'000,
                                   .current = false,
                                   .document = "<schema/>"},
                                  {.name = "b"}}},
          SchemaRemove{.name = "support@0123456789abcdef"},
          StatusQuery{},
          SampleStatus()};
}

std::vector<Message> WorkerMessages() {
  return {WorkerReady{.pid = 4242,
                      .model = "smol",
                      .device = "cpu",
                      .identity = SampleIdentity(),
                      .context_length = 2048,
                      .slots = 8,
                      .unit_limit_bytes = 1ULL << 32},
          Heartbeat{.active = 1,
                    .queued = 2,
                    .units = 3,
                    .unit_bytes = 4,
                    .requests = 5,
                    .backlog_seconds = 0.5,
                    .prefill_tokens_per_s = 812.5},
          Residency{.seq = 9,
                    .snapshot = true,
                    .added = {SampleDigest(5), SampleDigest(6)},
                    .removed = {SampleDigest(7)}},
          ResidencyResync{},
          Run{.plan = SamplePlan(), .options = SampleOptions()},
          RecipeQuery{.digests = {SampleDigest(8)}},
          RecipeReply{.recipes = {SampleRecipe(EncodingMode::kAnchored),
                                  SampleRecipe(EncodingMode::kSchema)},
                      .unknown = {SampleDigest(9), SampleDigest(10)}}};
}

std::vector<Message> StoreMessages() {
  return {
      FetchBlob{.key = SampleDigest(11), .offset = 4096, .length = 1 << 20, .credit = 8 << 20},
      Credit{.bytes = 1 << 20},
      Chunk{.offset = 1ULL << 35, .blob_bytes = 1ULL << 36},
      Done{.code = Code::kDataLoss, .message = "checksum", .bytes = 12, .committed = true},
      PutBlob{.key = SampleDigest(12), .bytes = 1ULL << 33},
      PutCommit{},
      BlobExists{.keys = {SampleDigest(13), SampleDigest(14)}},
      BlobExistsReply{.present = {1, 0, 1}},
      BlobList{},
      BlobListReply{
          .blobs = {SampleBlob()}, .puts = 1, .gets = 2, .hits = 3, .corruptions = 4, .bytes = 5},
      BlobRemove{.key = SampleDigest(15), .corrupt = true},
      MetaGet{.key = "schema/support"},
      MetaSet{.key = "schema/support",
              .expected = 41,
              .remove = true,
              .value = std::string("\0\xff\x80", 3)},
      MetaList{.prefix = "schema/"},
      MetaReply{.entries = {{"schema/a", std::string("\0\1", 2), 42}, {"schema/b", "", 43}}}};
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

std::vector<Message> AdminMessages() {
  return {RecordImports{.imports = {{SampleDigest(20), SampleImport()}}},
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
          CheckReport{.blobs = 1,
                      .files = 2,
                      .references = 3,
                      .findings = {{"manifest damaged", "93ab", true}, {"chunks missing", "77cd"}}},
          CollectGarbage{},
          GarbageReport{.expired_blobs = 1,
                        .expired_references = 2,
                        .evicted_blobs = 3,
                        .freed_bytes = 1ULL << 35,
                        .orphans = 5},
          UnitsDrop{.keys = {SampleDigest(25), SampleDigest(26)}},
          UnitsDropped{.workers = {{"worker-1", 2, {SampleDigest(26)}}, {"worker-2", 0, {}}}}};
}

RequestReport SampleReport() {
  RequestReport report{.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                       .client = "shop",
                       .tenant = "acme",
                       .schema = "support",
                       .version = "0123456789abcdef",
                       .received_unix_ms = 1'700'000'000'789,
                       .planned_ms = 0.5,
                       .first_token_ms = 20.25,
                       .ended_ms = 300.125,
                       .code = Code::kUnavailable,
                       .message = "lost",
                       .usage = SampleUsage()};
  report.id.bytes.fill(0x5a);
  report.attempts = {{.attempt = 65'536,
                      .worker = "worker-1",
                      .given_ms = 1.5,
                      .end = "worker lost",
                      .routes = {{.worker = "worker-1",
                                  .room = true,
                                  .full = true,
                                  .device_tokens = 212,
                                  .wait_s = 0.25,
                                  .work_s = 0.5,
                                  .congestion_s = 1,
                                  .displacement_s = 2,
                                  .kv_s = 4,
                                  .tie_s = 0.125,
                                  .total = 7.875},
                                 {.worker = "worker-2"}}},
                     {.attempt = 65'537, .worker = "worker-2"}};
  return report;
}

std::vector<Message> RequestMessages() {
  ExplainQuery query;
  query.request.emplace().bytes.fill(0x5a);
  return {RequestQuery{},
          RequestState{.phase = RequestPhase::kEnded, .attempt = 65'537, .parts = 9},
          Adopt{.delivered = {.parts = 7, .samples = {{10, 11}, {}, {12}}}},
          DrainWorker{.worker = "worker-1", .change = DrainChange::kResume},
          query,
          ExplainReply{.requests = {SampleReport(), {}}}};
}

std::vector<Message> BatchMessages() {
  RequestId batch;
  batch.bytes.fill(0x3c);
  const Submit submit{
      .model = "smol", .prompt = "<prompt schema=\"s\"/>", .options = SampleOptions()};
  const Final final{.message = "ok", .usage = SampleUsage()};
  return {BatchAdd{.items = {{"row-1", submit, 60'000}, {}}},
          BatchQuery{.batch = batch, .first = 7, .limit = 100},
          BatchReply{.batches = {{batch, "acme", 1'700'000'000'123, 20, 9, 1, "coordinator-2"}, {}},
                     .results = {{3, "row-4", final, {{{10, 11}, "na"}, {}}}, {}},
                     .more = true},
          BatchRemove{.batch = batch}};
}

// What follows them in the file name is what was appended.
std::vector<std::pair<std::string, Message>> AppendedFields() {
  const std::vector<SourceFile> sources = {{"texts/a.txt", "line\nna\xc3\xafve"}, {"b", ""}};
  Plan plan = SamplePlan();
  plan.units[0].lifetime = {.ttl_ms = 1ULL << 40, .pinned = false};
  plan.units[1].lifetime = {.ttl_ms = 0, .pinned = true};
  const Recipe hidden{.mode = EncodingMode::kScaffoldSet,
                      .context = {{1}, {-4}},
                      .own = {{2, 3, 4, 5, 6, 7}, {0, 1, 2, 8, 9, 10}},
                      .hidden = {{1, 1}, {3, 2}}};
  const TokenLogprobs logprobs = {{10, -0.25, "na"}, {{10, -0.25, "na"}, {11, -2.5, "\xc3"}}};
  Plan linked = SamplePlan();
  linked.linked_tokens = 16;
  linked.repaired_tokens = 2;
  Usage usage = SampleUsage();
  usage.linked_tokens = 16;
  usage.recomputed_tokens = 2;
  BlobRecord used = SampleBlob();
  used.use = {.used_unix_ms = 1'700'000'000'456,
              .imports = 12,
              .weight = 3.25,
              .pinned = true,
              .references = {{SampleImport().reference, SampleImport().lifetime, 77}}};
  const Delivered delivered{.parts = 7, .samples = {{10, 11}, {}, {12}}};
  WorkerStatus worker = SampleWorker();
  worker.draining = true;
  worker.assigned = 3;
  worker.backlog_seconds = 0.75;
  worker.kv_use = 0.5;
  worker.calibration = 1.25;
  worker.generated_tokens = 1ULL << 33;
  return {
      {"samples", Submit{.options = {.samples = 4, .logprobs = 2}}},
      {"samples", Partial{.tokens = {10}, .sample = 3, .logprobs = {logprobs}}},
      {"samples", Final{.usage = {.samples = {{FinishReason::kStop, 7}, {}}}}},
      {"lifetime", Run{.plan = plan}},
      {"linked", Run{.plan = linked}},
      {"schema", Run{.plan = SamplePlan(), .schema = "support", .version = "0123456789abcdef"}},
      {"linked", Final{.usage = usage}},
      {"linked", Submit{.repair = Repair::kLinked, .linked_tokens = 16}},
      {"none", Submit{.repair = Repair::kNone}},
      {"hidden", RecipeReply{.recipes = {hidden}}},
      {"sources", SchemaAdd{.file = "s.xml", .document = "<schema/>", .sources = sources}},
      {"sources", SchemaReply{.schemas = {{.name = "s", .sources = sources}}}},
      {"window", FetchBlob{.key = SampleDigest(30), .window = "/promptcache-00ff"}},
      {"window", Chunk{.offset = 7, .blob_bytes = 1ULL << 36, .window_bytes = 1 << 20}},
      {"lock_wait", StoreStats{.lock_wait_us = 12'345}},
      {"idle", StoreStats{.idle_transfers = 3}},
      {"inspect", FetchBlob{.key = SampleDigest(30), .inspect = true}},
      {"imports", PutBlob{.key = SampleDigest(31), .bytes = 5, .imports = {SampleImport()}}},
      {"page", BlobList{.after = SampleDigest(32), .limit = 100}},
      {"page", BlobListReply{.blobs = {used}, .more = true}},
      {"again",
       Submit{.priority = 3, .tried = {"tcp://127.0.0.1:7420", "ipc://b"}, .delivered = delivered}},
      {"again", Run{.plan = SamplePlan(), .delivered = delivered}},
      {"retry", Final{.code = Code::kBusy, .retry_after_ms = 1'500}},
      {"rates", WorkerReady{.identity = SampleIdentity(), .kv_bytes_per_token = 1 << 17}},
      {"rates", Heartbeat{.draining = true,
                          .kv_use = 0.25,
                          .host = {0.001, 2e10},
                          .disk = {0.01, 3e9},
                          .remote = {0.02, 1e9},
                          .generated_tokens = 77,
                          .residency_seq = 9,
                          .residency_digest = 0xfedcba9876543210}},
      {"fleet", StatusReply{.workers = {worker},
                            .policy = "cost",
                            .requests_waiting = 2,
                            .requests_rejected = 3,
                            .requests_resumed = 4,
                            .tokens = {1, 2, 3, 4, 1ULL << 40},
                            .ttft_ms = {5, 9.5, 20.25, 1'000}}},
      {"slowest", ExplainQuery{}},
      {"version", Submit{.prompt = "<prompt schema=\"s\"/>", .version = "0123456789abcdef"}},
      {"shared", SchemaAdd{.document = "<schema/>", .shared = true}},
      {"shared", SchemaReply{.schemas = {{.name = "s", .tenant = "acme", .shared = true}}}},
      {"tenant",
       Run{.plan = SamplePlan(), .tenant = "acme", .domain = 0xfedcba9876543210, .warming = true}},
      {"fence", MetaSet{.key = "batch/b", .fence = "batch/b/owner", .fence_revision = 1ULL << 40}},
      {"page", MetaList{.prefix = "batch/", .after = "batch/a", .limit = 50}},
      {"page", MetaReply{.entries = {{"batch/b", "x", 9}}, .more = true}},
      {"list", BatchQuery{}}};
}

Envelope Enclose(const Message& message, size_t number) {
  Envelope envelope{.attempt = 2,
                    .timeout_ms = 30'000,
                    .trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    .body = message};
  for (size_t i = 0; i < envelope.request_id.bytes.size(); ++i) {
    envelope.request_id.bytes[i] = static_cast<uint8_t>(i * 16 + number);
  }
  return envelope;
}

std::string NumberAndName(const Message& message) {
  const size_t type = message.index() + 1;
  return (type < 10 ? "0" : "") + std::to_string(type) + "_" + std::string(MessageName(message));
}

}  // namespace

std::vector<Envelope> SampleEnvelopes() {
  std::vector<Envelope> envelopes;
  for (const auto& messages : {PeerMessages(), ClientMessages(), WorkerMessages(), StoreMessages(),
                               AdminMessages(), RequestMessages(), BatchMessages()}) {
    for (const Message& message : messages) {
      envelopes.push_back(Enclose(message, envelopes.size() + 1));
    }
  }
  return envelopes;
}

std::vector<GoldenMessage> GoldenMessages() {
  std::vector<GoldenMessage> all;
  for (Envelope& sample : SampleEnvelopes()) {
    const std::string file = NumberAndName(sample.body) + ".bin";
    all.push_back({file, std::move(sample)});
  }
  for (const auto& [field, message] : AppendedFields()) {
    all.push_back({NumberAndName(message) + "_" + field + ".bin", Enclose(message, 0x80)});
  }
  return all;
}

}  // namespace promptcache::testing
