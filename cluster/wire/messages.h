// Every message of the protocol as a plain value. The wire form is schemas/wire/promptcache.fbs;
// schemas/WIRE.md says who sends what when; cluster/wire/codec.h converts and verifies.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "cluster/wire/client_messages.h"
#include "cluster/wire/operator_messages.h"
#include "cluster/wire/peer_messages.h"
#include "cluster/wire/store_messages.h"
#include "cluster/wire/worker_messages.h"

namespace promptcache {

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
                 ExplainQuery, ExplainReply, BatchAdd, BatchQuery, BatchReply, BatchRemove>;

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
