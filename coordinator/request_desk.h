// What clients want done, and that what becomes of it is done. Internal to coordinator/.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "cluster/transport/peer_table.h"
#include "common/clock.h"
#include "common/metrics/metric.h"
#include "coordinator/batch/batch_keeper.h"
#include "coordinator/prompt_planner.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/session/session.h"

namespace promptcache {

// What a desk works with; all of it outlives the desk, and the desk what the catalog and the
// planner still call back.
struct RequestDeskDeps {
  SessionTable& sessions;
  PeerTable& clients;
  PeerTable& workers;
  SchemaCatalog& catalog;
  PromptPlanner& prompts;
  const Clock& clock;
};

// Belongs to the reactor thread.
class RequestDesk {
 public:
  // `to_batches` gets what is sent to items of batches.
  RequestDesk(const RequestDeskDeps& deps, std::function<void(const Envelope&)> to_batches)
      : deps_(deps), to_batches_(std::move(to_batches)) {}

  // False: the message is not for the desk.
  bool Handle(const PeerInfo& peer, const Envelope& envelope);
  // Items of batches are requests like others, of a client that is here.
  BatchRunner ItemRunner();
  // What the sessions have decided.
  void Perform(Actions actions);
  // Nothing is begun any more, and nothing cancelled.
  void Stop() { stopped_ = true; }
  // What it took to decide where planned requests go.
  const Histogram& dispatch_s() const { return dispatch_s_; }

 private:
  void Submit(const Submitter& submitter, const Envelope& envelope);
  void Cancel(const Submitter& submitter, const RequestId& id);
  void Send(const SendAction& send);
  void StartPlanning(PlanAction plan);
  void Plan(PlanAction plan);
  void Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned);

  const RequestDeskDeps deps_;
  const std::function<void(const Envelope&)> to_batches_;
  std::deque<Action> actions_;
  bool performing_ = false;
  bool stopped_ = false;
  Histogram dispatch_s_{kShortSecondsBounds};
};

}  // namespace promptcache
