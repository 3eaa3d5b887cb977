// What coordinators ask a worker to answer: runs that come, wait for recipes, stream, change hands
// and end. Internal to worker/service.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "worker/engine/engine.h"
#include "worker/metrics/import_counters.h"
#include "worker/requests/request_log.h"
#include "worker/service/recipe_cache.h"
#include "worker/service/waiting_runs.h"

namespace promptcache {

struct RequestsDeps {
  Engine* engine = nullptr;      // outlives the requests, or Close comes before its end
  const Clock* clock = nullptr;  // of orphans, and of what is kept
  const Clock* engine_clock = &SystemClock();  // that the engine goes by: of deadlines
  RequestLogLimits log;
  std::string worker;        // its name
  size_t waiting_limit = 0;  // runs that wait for recipes
  uint64_t recipe_cache_tokens = 16 << 20;
  // Runs a function on the reactor thread, unless the requests have gone; thread safe.
  std::function<void(std::function<void()>)> post;
  std::function<Status(uint32_t coordinator, const Envelope&)> send;
};

// Belongs to the reactor thread. Coordinators go by numbers that the caller gives them.
class WorkerRequests {
 public:
  explicit WorkerRequests(RequestsDeps deps);

  // Of a Run, Adopt, Cancel, RequestQuery, RecipeReply, or a Reply in place of one; others are
  // ignored.
  void Receive(uint32_t coordinator, Envelope envelope);
  // Its requests run on for a while, for another coordinator to adopt them. Those that wait for its
  // recipes end.
  void CoordinatorLost(uint32_t coordinator);
  // Ends what is late, and orphans whose time is up. To be called a few times a second.
  void Tick();

  // While draining, requests that are not known here are refused.
  void SetDrain(DrainChange change) { drain_ = change; }
  DrainChange drain() const { return drain_; }
  const ImportCounters& imports() const { return imports_; }
  // The engine is used no more, and nothing is sent.
  void Close() { deps_.engine = nullptr; }

 private:
  void RunReceived(uint32_t coordinator, Envelope envelope);
  void AskOrStart(WaitingRun run);
  void RecipesReceived(uint32_t coordinator, const RequestId& id, const RecipeReply& reply);
  void ReplyReceived(uint32_t coordinator, const RequestId& id, const Reply& reply);
  void AdoptReceived(const RequestOwner& owner, const RequestId& id, const Delivered& delivered);
  void CancelReceived(const RequestId& id, uint32_t attempt);
  void Start(WaitingRun waiting);
  Status Submit(WaitingRun& waiting);
  RequestEvents EventsFor(const RequestRun& run);
  void PartCame(const RequestRun& run, AnswerPart part);

  // The one end of a run. Refuse: nothing of it is kept, so that it may come again.
  void End(const RequestRun& run, const Status& status, Usage usage);
  void Refuse(const RequestRun& run, const Status& status);
  Final FinalOf(const Status& status, Usage usage) const;
  void Stop(const RequestId& id);

  // Sends the request's owner what there is for it, as far as the link takes it.
  void Deliver(const RequestId& id);
  Status SendAnswer(const Outgoing& message);
  void Send(Outgoing message);

  RequestsDeps deps_;
  RecipeCache recipes_;
  // By coordinator: of an answer whose last part, the one with an id, is still to come.
  std::map<uint32_t, std::vector<KnownRecipePtr>> recipe_parts_;
  WaitingRuns waiting_;
  RequestLog log_;
  // What a full link could not take; tried again with each tick.
  std::set<RequestId> behind_;
  std::vector<Outgoing> unsent_;
  DrainChange drain_ = DrainChange::kResume;
  ImportCounters imports_;  // of requests that have ended
};

}  // namespace promptcache
