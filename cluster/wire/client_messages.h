// Messages between clients and coordinators, as plain values. Included through
// cluster/wire/messages.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/source_file.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

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
  // Of a request that a coordinator has accepted: the schema's version then, which a prompt that
  // names none keeps.
  std::string version;
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
  bool shared = false;  // every tenant may import it, and its units are everybody's
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
  std::string tenant;               // that registered it
  bool shared = false;
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

// ---- batches: prompts that coordinators keep, run when there is room, and keep the answers of
// ----

struct BatchItem {
  std::string name;  // the caller's, told with the result
  Submit submit;
  uint64_t timeout_ms = 0;  // from when it runs; 0: the coordinator's default
  bool operator==(const BatchItem&) const = default;
};
// The batch's id is the envelope's; added again it is the same batch. Answered by BatchReply once
// it survives restarts, or by Reply.
struct BatchAdd {
  std::vector<BatchItem> items;
  bool operator==(const BatchAdd&) const = default;
};
struct BatchQuery {
  std::optional<RequestId> batch;  // none: all of the tenant, without results
  uint32_t first = 0;              // results of this item and those behind it
  uint32_t limit = 0;              // 0: as many as fit
  bool operator==(const BatchQuery&) const = default;
};
struct BatchInfo {
  RequestId id;
  std::string tenant;
  uint64_t added_unix_ms = 0;
  uint32_t items = 0;
  uint32_t ended = 0;
  uint32_t failed = 0;      // of those that ended
  std::string coordinator;  // that runs it now; empty: none does
  bool operator==(const BatchInfo&) const = default;
};
struct BatchSample {
  std::vector<TokenId> tokens;
  std::string text;
  bool operator==(const BatchSample&) const = default;
};
struct BatchResult {
  uint32_t item = 0;
  std::string name;
  Final final;
  std::vector<BatchSample> samples;
  bool operator==(const BatchResult&) const = default;
};
struct BatchReply {
  std::vector<BatchInfo> batches;
  std::vector<BatchResult> results;  // of items that have ended, ascending
  bool more = false;                 // behind the last of these results
  bool operator==(const BatchReply&) const = default;
};
// What runs of it is cancelled, and its results are gone. Answered by Reply.
struct BatchRemove {
  RequestId batch;
  bool operator==(const BatchRemove&) const = default;
};

}  // namespace promptcache
