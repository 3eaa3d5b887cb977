#include "cluster/wire/roles.h"

#include <array>

namespace promptcache {
namespace {

constexpr std::array<std::string_view, 5> kRoleNames = {"client", "worker", "store", "coordinator",
                                                        "admin"};

// Sets of roles.
enum : uint8_t {
  kNobody = 0,
  kClients = 1 << static_cast<int>(PeerRole::kClient),
  kWorkers = 1 << static_cast<int>(PeerRole::kWorker),
  kStores = 1 << static_cast<int>(PeerRole::kStore),
  kCoordinators = 1 << static_cast<int>(PeerRole::kCoordinator),
  kAdmins = 1 << static_cast<int>(PeerRole::kAdmin),
  kEverybody = kClients | kWorkers | kStores | kCoordinators | kAdmins
};

// The last, most general one: what only listeners send.
struct Senders {
  uint8_t operator()(const auto& /*message*/) const { return kNobody; }

  // The link, and answers without content.
  uint8_t operator()(const Hello&) const { return kEverybody; }
  uint8_t operator()(const Ping&) const { return kEverybody; }
  uint8_t operator()(const Pong&) const { return kEverybody; }
  uint8_t operator()(const Reply&) const { return kEverybody; }

  // To a coordinator, from its clients.
  uint8_t operator()(const Submit&) const { return kClients | kAdmins; }
  uint8_t operator()(const Cancel&) const { return kEverybody; }  // also of transfers
  uint8_t operator()(const SchemaAdd&) const { return kClients | kAdmins; }
  uint8_t operator()(const SchemaList&) const { return kClients | kAdmins; }
  uint8_t operator()(const SchemaRemove&) const { return kClients | kAdmins; }
  uint8_t operator()(const StatusQuery&) const { return kClients | kAdmins; }
  uint8_t operator()(const UnitsDrop&) const { return kAdmins; }
  uint8_t operator()(const DrainWorker&) const { return kAdmins; }
  uint8_t operator()(const ExplainQuery&) const { return kClients | kAdmins; }
  uint8_t operator()(const BatchAdd&) const { return kClients | kAdmins; }
  uint8_t operator()(const BatchQuery&) const { return kClients | kAdmins; }
  uint8_t operator()(const BatchRemove&) const { return kClients | kAdmins; }

  // To a coordinator, from its workers.
  uint8_t operator()(const Partial&) const { return kWorkers; }
  uint8_t operator()(const Final&) const { return kWorkers; }
  uint8_t operator()(const WorkerReady&) const { return kWorkers; }
  uint8_t operator()(const Heartbeat&) const { return kWorkers; }
  uint8_t operator()(const Residency&) const { return kWorkers; }
  uint8_t operator()(const RecipeQuery&) const { return kWorkers; }
  uint8_t operator()(const UnitsDropped&) const { return kWorkers; }
  uint8_t operator()(const RequestState&) const { return kWorkers; }

  // To a cachestore: blobs.
  uint8_t operator()(const FetchBlob&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const Credit&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const Chunk&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const PutBlob&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const PutCommit&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const BlobExists&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const RecordImports&) const { return kWorkers | kAdmins; }
  uint8_t operator()(const BlobRemove& remove) const {
    return remove.corrupt ? kWorkers | kAdmins : kAdmins;
  }

  // To a cachestore: records of coordinators, and what operators do.
  uint8_t operator()(const MetaGet&) const { return kCoordinators | kAdmins; }
  uint8_t operator()(const MetaSet&) const { return kCoordinators | kAdmins; }
  uint8_t operator()(const MetaList&) const { return kCoordinators | kAdmins; }
  uint8_t operator()(const BlobList&) const { return kAdmins; }
  uint8_t operator()(const StoreStatsQuery&) const { return kCoordinators | kAdmins; }
  uint8_t operator()(const RemoveReferences&) const { return kAdmins; }
  uint8_t operator()(const SetPins&) const { return kAdmins; }
  uint8_t operator()(const CheckStore&) const { return kAdmins; }
  uint8_t operator()(const CollectGarbage&) const { return kAdmins; }
};

}  // namespace

std::string_view RoleName(PeerRole role) {
  const size_t index = static_cast<size_t>(role) - 1;
  return index < kRoleNames.size() ? kRoleNames[index] : "unknown";
}

Result<PeerRole> ParseRole(std::string_view name) {
  for (size_t i = 0; i < kRoleNames.size(); ++i) {
    if (kRoleNames[i] == name) return static_cast<PeerRole>(i + 1);
  }
  // Not quoted: it may come from a file with secrets.
  return InvalidArgument("the role is none of client, worker, store, coordinator, admin");
}

bool MaySend(PeerRole role, const Message& message) {
  return (std::visit(Senders(), message) >> static_cast<int>(role) & 1) != 0;
}

}  // namespace promptcache
