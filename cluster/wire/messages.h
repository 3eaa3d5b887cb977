// Every message of the protocol as a plain value. The wire form is schemas/wire/promptcache.fbs;
// schemas/WIRE.md says who sends what when; cluster/wire/codec.h converts and verifies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/references.h"
#include "common/request_report.h"
#include "common/source_file.h"
#include "common/status.h"
#include "common/store_reports.h"
#include "common/types.h"

namespace promptcache {

inline constexpr uint16_t kWireVersion = 1;

// ---- any peer ----

enum class PeerRole : uint8_t {
  kClient = 1,
  kWorker = 2,
  kStore = 3,
  kCoordinator = 4,
  kAdmin = 5
};

// First message on every connection from the connecting side; nothing else is accepted before it.
struct Hello {
  PeerRole role = PeerRole::kClient;
  uint16_t min_version = kWireVersion;
  uint16_t max_version = kWireVersion;
  std::string name;    // worker id; free text for others
  uint64_t epoch = 0;  // start time of the peer's process in ns: a restart has a new epoch
  std::vector<std::string> capabilities;
  bool operator==(const Hello&) const = default;
};
struct HelloAck {
  uint16_t version = kWireVersion;
  std::string name;
  uint64_t epoch = 0;
  uint32_t heartbeat_ms = 1000;  // send at least this often
  uint32_t lease_ms = 3000;      // silence after which the peer is taken for gone
  uint64_t max_frame_bytes = 0;  // a larger frame breaks the link; 0: not said
  bool operator==(const HelloAck&) const = default;
};
struct Ping {
  bool operator==(const Ping&) const = default;
};
struct Pong {
  bool operator==(const Pong&) const = default;
};
// The answer to a request that failed or that has nothing else to say.
struct Reply {
  Code code = Code::kOk;
  std::string message;
  bool operator==(const Reply&) const = default;
};

// ---- client to coordinator ----

enum class ReuseMode : uint8_t {
  kReuse = 0,           // import cached units
  kFull = 1,            // --no-cache: compute everything at the plan's positions
  kFullContiguous = 2,  // --no-cache --contiguous: compute everything at positions 0..n-1
};

// What of an answer its client has: whoever takes the request over goes on behind it.
struct Delivered {
  uint32_t parts = 0;                         // Partial of seq 0 ... parts - 1
  std::vector<std::vector<TokenId>> samples;  // their tokens, by sample; empty: no tokens
  bool operator==(const Delivered&) const = default;
};

struct Submit {
  std::string model;   // optional when only one is served
  std::string prompt;  // PML; names its schema
  GenerationOptions options;
  ReuseMode reuse = ReuseMode::kReuse;
  std::optional<Repair> repair;  // none: the coordinator's default
  uint32_t linked_tokens = 0;    // k of Repair::kLinked; 0: the coordinator's default
  uint8_t priority = 0;          // higher ones go first where requests wait
  // Of a request that is sent again: the coordinators that had it before this one, by endpoint.
  std::vector<std::string> tried;
  Delivered delivered;
  bool operator==(const Submit&) const = default;
};
// The coordinator took the request: exactly one Final follows.
struct Accepted {
  std::string schema;
  std::string version;
  uint32_t prompt_tokens = 0;
  bool operator==(const Accepted&) const = default;
};
struct Partial {
  uint32_t seq = 0;  // 0, 1, 2, ... without gaps, whatever the sample
  std::vector<TokenId> tokens;
  std::string text;     // may be empty while a UTF-8 character or a stop string is incomplete
  uint32_t sample = 0;  // whose tokens and text these are
  std::vector<TokenLogprobs> logprobs;  // of each token, or empty
  bool operator==(const Partial&) const = default;
};
struct Final {
  Code code = Code::kOk;
  std::string message;
  Usage usage;
  uint64_t retry_after_ms = 0;  // kBusy: when it may be worth another try; 0: not said
  bool operator==(const Final&) const = default;
};
struct Cancel {
  bool operator==(const Cancel&) const = default;
};

struct SchemaAdd {
  std::string file;         // for error messages only
  std::string document;     // PML
  uint32_t max_tokens = 0;  // per text run; 0: no truncation
  std::vector<SourceFile> sources;
  bool operator==(const SchemaAdd&) const = default;
};
struct SchemaInfo {
  std::string name;
  std::string version;
  uint32_t tokens = 0;  // layout length
  uint32_t units = 0;
  uint64_t registered_unix_ms = 0;
  bool current = true;              // what the name alone selects
  std::string document;             // empty in listings
  std::vector<SourceFile> sources;  // likewise
  bool operator==(const SchemaInfo&) const = default;
};
struct SchemaList {
  std::string name;  // empty: all; else this schema's versions with their documents
  bool operator==(const SchemaList&) const = default;
};
struct SchemaReply {
  std::vector<SchemaInfo> schemas;
  bool operator==(const SchemaReply&) const = default;
};
struct SchemaRemove {
  std::string name;  // "support" (all versions) or "support@VERSION"
  bool operator==(const SchemaRemove&) const = default;
};

// Tokens by where their states came from.
struct TierTokens {
  uint64_t device = 0;
  uint64_t host = 0;
  uint64_t disk = 0;
  uint64_t remote = 0;
  uint64_t encoded = 0;
  bool operator==(const TierTokens&) const = default;
};
struct Percentiles {
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  uint64_t count = 0;  // 0: there is nothing to speak of
  bool operator==(const Percentiles&) const = default;
};
struct StatusQuery {
  bool operator==(const StatusQuery&) const = default;
};
struct WorkerStatus {
  std::string name;
  uint32_t pid = 0;
  std::string model;
  std::string device;  // "cpu", "cuda:0"
  Identity identity;
  bool live = true;
  uint32_t active = 0;  // requests in the engine
  uint32_t queued = 0;
  uint32_t slots = 0;
  uint32_t units = 0;  // resident
  uint64_t unit_bytes = 0;
  uint64_t unit_limit_bytes = 0;
  uint64_t requests = 0;            // finished since start
  double prefill_tokens_per_s = 0;  // measured; 0 before the first request
  bool draining = false;
  uint32_t assigned = 0;  // slots of requests that this coordinator gave it
  double backlog_seconds = 0;
  double kv_use = 0;       // of the memory for running requests, 0 to 1
  double calibration = 1;  // by what factor its work takes longer than its rates say
  uint64_t generated_tokens = 0;
  bool operator==(const WorkerStatus&) const = default;
};
struct StatusReply {
  std::string coordinator;
  uint32_t pid = 0;
  uint64_t uptime_ms = 0;
  bool meta_available = false;
  std::string model;
  uint32_t context_length = 0;
  uint32_t schemas = 0;
  uint32_t requests_active = 0;
  uint64_t requests_accepted = 0;
  uint64_t requests_failed = 0;
  uint64_t bad_frames = 0;  // messages dropped because they did not verify
  std::vector<WorkerStatus> workers;
  std::string policy;              // of routing
  uint32_t requests_waiting = 0;   // for a worker with room
  uint64_t requests_rejected = 0;  // that no worker could have done in time
  uint64_t requests_resumed = 0;   // taken over from another coordinator or a lost worker
  TierTokens tokens;               // that prompts imported, by where they came from
  Percentiles ttft_ms;             // of recent requests, from Submit to the first token
  bool operator==(const StatusReply&) const = default;
};

// ---- worker to coordinator and back ----

// After HelloAck: what the worker serves.
struct WorkerReady {
  uint32_t pid = 0;
  std::string model;
  std::string device;
  Identity identity;
  uint32_t context_length = 0;
  uint32_t slots = 0;  // samples of requests that the engine runs at once
  uint64_t unit_limit_bytes = 0;
  uint64_t kv_bytes_per_token = 0;  // of a unit in memory
  bool operator==(const WorkerReady&) const = default;
};
// How long a unit takes from a tier, as measured: fixed_s + bytes / bytes_per_s.
struct LoadRate {
  double fixed_s = 0;
  double bytes_per_s = 0;  // 0: not measured, or there is no such tier
  bool operator==(const LoadRate&) const = default;
};
struct Heartbeat {
  uint32_t active = 0;
  uint32_t queued = 0;
  uint32_t units = 0;
  uint64_t unit_bytes = 0;
  uint64_t requests = 0;
  double backlog_seconds = 0;  // of work before a request that comes now
  double prefill_tokens_per_s = 0;
  bool draining = false;  // takes no new requests
  double kv_use = 0;      // of the memory for running requests, 0 to 1
  LoadRate host;
  LoadRate disk;
  LoadRate remote;
  uint64_t generated_tokens = 0;  // since start
  // Of the set of units after residency number `residency_seq`: xor of the first 8 bytes of the
  // keys, little-endian. 0 as the number: not said.
  uint64_t residency_seq = 0;
  uint64_t residency_digest = 0;
  bool operator==(const Heartbeat&) const = default;
};
// Changes of the set of resident units, by sequence number; a snapshot replaces the set.
// After a gap the coordinator answers ResidencyResync and the worker sends a snapshot.
struct Residency {
  uint64_t seq = 0;
  bool snapshot = false;
  std::vector<UnitKey> added;
  std::vector<UnitKey> removed;
  bool operator==(const Residency&) const = default;
};
struct ResidencyResync {
  bool operator==(const ResidencyResync&) const = default;
};
struct Run {
  Plan plan;
  GenerationOptions options;
  std::string schema;   // the plan's units are imported from it; empty: not said
  std::string version;  // of the schema, 16 hex digits
  Delivered delivered;  // the answer goes on behind this
  bool operator==(const Run&) const = default;
};
// Does the worker know this request? Answered by RequestState.
struct RequestQuery {
  bool operator==(const RequestQuery&) const = default;
};
enum class RequestPhase : uint8_t { kUnknown = 0, kRunning = 1, kEnded = 2 };
struct RequestState {
  RequestPhase phase = RequestPhase::kUnknown;
  uint32_t attempt = 0;  // the last one
  uint32_t parts = 0;    // of the answer, that the worker still has or had
  bool operator==(const RequestState&) const = default;
};
// Stream this request's answer to me, behind what was delivered, as the envelope's attempt, which
// is higher than the one before. Answered by Partial... and Final; by a Final of kNotFound when the
// worker does not have it, or has other tokens there, or no part that begins there: parts of two
// runs of one request need not hold the same tokens.
struct Adopt {
  Delivered delivered;
  bool operator==(const Adopt&) const = default;
};
// Recipes the worker lacks. Answered by RecipeReply with those the coordinator has.
struct RecipeQuery {
  std::vector<RecipeDigest> digests;
  bool operator==(const RecipeQuery&) const = default;
};
struct RecipeReply {
  std::vector<Recipe> recipes;
  std::vector<RecipeDigest> unknown;
  bool operator==(const RecipeReply&) const = default;
};

// ---- cachestore ----

// Answered by Chunk* then Done; the server sends at most `credit` bytes, then waits for Credit.
struct FetchBlob {
  UnitKey key;
  uint64_t offset = 0;
  uint64_t length = 0;  // 0: to the end
  uint64_t credit = 0;
  bool inspect = false;  // nothing is counted, and damage changes nothing
  // Name of a shared memory object of the sender (cachestore/service/shared_window.h). A server
  // that can open it puts the bytes there.
  std::string window;
  bool operator==(const FetchBlob&) const = default;
};
struct Credit {
  uint64_t bytes = 0;
  bool operator==(const Credit&) const = default;
};
// The bytes travel in the payload frame.
struct Chunk {
  uint64_t offset = 0;
  uint64_t blob_bytes = 0;    // size of the whole blob
  uint64_t window_bytes = 0;  // that lie in the window instead of a payload frame
  bool operator==(const Chunk&) const = default;
};
// Ends a fetch or a put.
struct Done {
  Code code = Code::kOk;
  std::string message;
  uint64_t bytes = 0;      // transferred (fetch: also the blob's size when length was 0)
  bool committed = false;  // a put that is durable
  bool operator==(const Done&) const = default;
};
// Answered by Credit (go on) or Done (already exists, over the limit). Then Chunk*, then PutCommit.
struct PutBlob {
  UnitKey key;
  uint64_t bytes = 0;
  std::vector<Import> imports;
  bool operator==(const PutBlob&) const = default;
};
struct PutCommit {
  bool operator==(const PutCommit&) const = default;
};
struct BlobExists {
  std::vector<UnitKey> keys;
  bool operator==(const BlobExists&) const = default;
};
struct BlobExistsReply {
  std::vector<uint8_t> present;  // one 0 or 1 per key
  bool operator==(const BlobExistsReply&) const = default;
};
struct BlobList {
  std::optional<UnitKey> after;  // records behind this key
  uint32_t limit = 0;            // 0: as many as fit
  bool operator==(const BlobList&) const = default;
};
struct BlobRecord {  // cachestore's BlobInfo on the wire
  UnitKey key;
  RecipeDigest recipe;
  Identity identity;
  EncodingMode mode = EncodingMode::kAnchored;
  uint64_t bytes = 0;
  uint32_t tokens = 0;
  uint32_t context_tokens = 0;
  uint64_t committed_unix_ms = 0;
  double encode_seconds = 0;
  BlobUse use;
  bool operator==(const BlobRecord&) const = default;
};
struct BlobListReply {
  std::vector<BlobRecord> blobs;
  uint64_t puts = 0;
  uint64_t gets = 0;
  uint64_t hits = 0;
  uint64_t corruptions = 0;
  uint64_t bytes = 0;
  bool more = false;  // behind the last of these records
  bool operator==(const BlobListReply&) const = default;
};
struct BlobRemove {  // answered by Reply
  UnitKey key;
  bool corrupt = false;  // a reader found it damaged
  bool operator==(const BlobRemove&) const = default;
};
struct MetaGet {
  std::string key;
  bool operator==(const MetaGet&) const = default;
};
struct MetaSet {  // answered by MetaReply with the new revision, or Reply
  std::string key;
  uint64_t expected = 0;
  bool remove = false;
  std::string value;
  bool operator==(const MetaSet&) const = default;
};
struct MetaList {
  std::string prefix;
  bool operator==(const MetaList&) const = default;
};
struct MetaRecord {
  std::string key;
  std::string value;
  uint64_t revision = 0;
  bool operator==(const MetaRecord&) const = default;
};
struct MetaReply {
  std::vector<MetaRecord> entries;
  bool operator==(const MetaReply&) const = default;
};

// ---- cachestore: what operators do; selectors and answers are in common/store_reports.h ----

struct RecordImports {  // answered by Reply
  std::vector<UnitImport> imports;
  bool operator==(const RecordImports&) const = default;
};
struct StoreStatsQuery {
  bool operator==(const StoreStatsQuery&) const = default;
};
struct RemoveReferences {
  BlobSelector selector;
  Erasure erasure = Erasure::kDrop;
  bool operator==(const RemoveReferences&) const = default;
};
struct SetPins {
  BlobSelector selector;
  PinChange change = PinChange::kPin;
  bool operator==(const SetPins&) const = default;
};
struct CheckStore {
  CheckMode mode = CheckMode::kReport;
  bool operator==(const CheckStore&) const = default;
};
struct CollectGarbage {
  bool operator==(const CollectGarbage&) const = default;
};

// ---- client to coordinator to every worker, and the way back ----

// No memory shall hold these units any more.
struct UnitsDrop {
  std::vector<UnitKey> keys;
  bool operator==(const UnitsDrop&) const = default;
};
struct DroppedUnits {
  std::string worker;
  uint64_t dropped = 0;       // units that it had
  std::vector<UnitKey> held;  // that running requests still use: they go with these
  bool operator==(const DroppedUnits&) const = default;
};
// A worker says it of itself, the coordinator of all that live.
struct UnitsDropped {
  std::vector<DroppedUnits> workers;
  bool operator==(const UnitsDropped&) const = default;
};

// ---- client to coordinator, and on to a worker: what operators do ----

enum class DrainChange : uint8_t { kDrain = 0, kResume = 1 };
// The worker takes no new requests from any coordinator, or does so again. Answered by Reply.
struct DrainWorker {
  std::string worker;
  DrainChange change = DrainChange::kDrain;
  bool operator==(const DrainWorker&) const = default;
};
// What happened to a request, and why. Answered by ExplainReply, or Reply with kNotFound.
struct ExplainQuery {
  std::optional<RequestId> request;  // none: the slowest of the recent ones
  bool operator==(const ExplainQuery&) const = default;
};
struct ExplainReply {
  std::vector<RequestReport> requests;
  bool operator==(const ExplainReply&) const = default;
};

// The order is the wire's union order: append only.
using Message =
    std::variant<Hello, HelloAck, Ping, Pong, Reply, Submit, Accepted, Partial, Final, Cancel,
                 SchemaAdd, SchemaList, SchemaReply, SchemaRemove, StatusQuery, StatusReply,
                 WorkerReady, Heartbeat, Residency, ResidencyResync, Run, RecipeQuery, RecipeReply,
                 FetchBlob, Credit, Chunk, Done, PutBlob, PutCommit, BlobExists, BlobExistsReply,
                 BlobList, BlobListReply, BlobRemove, MetaGet, MetaSet, MetaList, MetaReply,
                 RecordImports, StoreStatsQuery, StoreStats, RemoveReferences, RemovalReceipt,
                 SetPins, PinReceipt, CheckStore, CheckReport, CollectGarbage, GarbageReport,
                 UnitsDrop, UnitsDropped, RequestQuery, RequestState, Adopt, DrainWorker,
                 ExplainQuery, ExplainReply>;

// A message with what every message carries.
struct Envelope {
  RequestId request_id;     // ties answers to requests
  uint32_t attempt = 0;     // 0 first, one more for each retry of the same request
  uint64_t timeout_ms = 0;  // time left when sent; 0: none. Relative, so clocks need not agree.
  std::string trace;        // W3C traceparent, may be empty
  Message body;
  bool operator==(const Envelope&) const = default;
};

}  // namespace promptcache
