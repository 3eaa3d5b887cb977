// What the parts of the codec share: how one value or message body is written and read. Internal to
// cluster/wire. Write... returns the offset of the table it wrote; Read... reports failures to the
// reader.
#pragma once

#include <cstdint>

#include "cluster/wire/messages.h"

// Every message in the order of Message and of the schema's union: a list, kept off the formatter.
// clang-format off
#define PC_WIRE_BODIES(X) \
  X(Hello) X(HelloAck) X(Ping) X(Pong) X(Reply) X(Submit) X(Accepted) X(Partial) X(Final) \
  X(Cancel) X(SchemaAdd) X(SchemaList) X(SchemaReply) X(SchemaRemove) X(StatusQuery) \
  X(StatusReply) X(WorkerReady) X(Heartbeat) X(Residency) X(ResidencyResync) X(Run) \
  X(RecipeQuery) X(RecipeReply) X(FetchBlob) X(Credit) X(Chunk) X(Done) X(PutBlob) X(PutCommit) \
  X(BlobExists) X(BlobExistsReply) X(BlobList) X(BlobListReply) X(BlobRemove) X(MetaGet) \
  X(MetaSet) X(MetaList) X(MetaReply) X(RecordImports) X(StoreStatsQuery) X(StoreStats) \
  X(RemoveReferences) X(RemovalReceipt) X(SetPins) X(PinReceipt) X(CheckStore) X(CheckReport) \
  X(CollectGarbage) X(GarbageReport) X(UnitsDrop) X(UnitsDropped) X(RequestQuery) \
  X(RequestState) X(Adopt) X(DrainWorker) X(ExplainQuery) X(ExplainReply) X(BatchAdd) \
  X(BatchQuery) X(BatchReply) X(BatchRemove)
// clang-format on

namespace promptcache {
namespace wire {

class Reader;
class Writer;

struct BlobUse;
struct Delivered;
struct GenerationOptions;
struct Identity;
struct Import;
struct Plan;
struct Recipe;
struct Reference;
struct Usage;
#define PC_FORWARD(name) struct name;
PC_WIRE_BODIES(PC_FORWARD)
#undef PC_FORWARD

}  // namespace wire

#define PC_DECLARE(name)                                    \
  uint32_t WriteBody(wire::Writer& writer, const name& in); \
  void ReadBody(wire::Reader& reader, const wire::name& in, name* out);
PC_WIRE_BODIES(PC_DECLARE)
#undef PC_DECLARE

uint32_t WriteBlobUse(wire::Writer& writer, const BlobUse& in);
uint32_t WriteDelivered(wire::Writer& writer, const Delivered& in);
uint32_t WriteGenerationOptions(wire::Writer& writer, const GenerationOptions& in);
uint32_t WriteIdentity(wire::Writer& writer, const Identity& in);
uint32_t WriteImport(wire::Writer& writer, const Import& in);
uint32_t WritePlan(wire::Writer& writer, const Plan& in);
uint32_t WriteRecipe(wire::Writer& writer, const Recipe& in);
uint32_t WriteReference(wire::Writer& writer, const Reference& in);
uint32_t WriteUsage(wire::Writer& writer, const Usage& in);

// Null: nothing.
Delivered ReadDelivered(wire::Reader& reader, const wire::Delivered* in);
// Null reads as a failure that names the value.
BlobUse ReadBlobUse(wire::Reader& reader, const wire::BlobUse* in);
GenerationOptions ReadGenerationOptions(wire::Reader& reader, const wire::GenerationOptions* in);
Identity ReadIdentity(wire::Reader& reader, const wire::Identity* in);
Import ReadImport(wire::Reader& reader, const wire::Import* in);
Plan ReadPlan(wire::Reader& reader, const wire::Plan* in);
Recipe ReadRecipe(wire::Reader& reader, const wire::Recipe* in);
Reference ReadReference(wire::Reader& reader, const wire::Reference* in);
Usage ReadUsage(wire::Reader& reader, const wire::Usage* in);

}  // namespace promptcache
