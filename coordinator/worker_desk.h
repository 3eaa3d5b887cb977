// What workers say, but for their answers to operators. Internal to coordinator/.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/transport/peer_table.h"
#include "common/clock.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/served_model.h"
#include "coordinator/session/session.h"

namespace promptcache {

// What a desk works with; all of it outlives the desk, and the desk what the catalog still calls
// back.
struct WorkerDeskDeps {
  PeerTable& workers;
  SessionTable& sessions;
  SchemaCatalog& catalog;
  const ServedModel& model;
  const Clock& clock;
};

// Belongs to the reactor thread.
class WorkerDesk {
 public:
  // `warm`: coordinator.warm. `perform` does what the sessions decide.
  WorkerDesk(const WorkerDeskDeps& deps, std::vector<std::string> warm,
             std::function<void(Actions)> perform)
      : deps_(deps), warm_(std::move(warm)), perform_(std::move(perform)) {}

  // False: the message is not for the desk.
  bool Handle(const PeerInfo& peer, const Envelope& envelope);

 private:
  bool HandleEvent(PeerId worker, const Envelope& envelope);
  void WorkerIsReady(const PeerInfo& peer, const WorkerReady& ready);
  void Admit(PeerId worker, const WorkerReady& ready);
  Status DropNamesake(const PeerInfo& peer);
  // `envelope` holds a RecipeQuery.
  void AnswerRecipes(PeerId worker, const Envelope& envelope);

  const WorkerDeskDeps deps_;
  const std::vector<std::string> warm_;
  const std::function<void(Actions)> perform_;
};

}  // namespace promptcache
