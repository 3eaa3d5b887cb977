// One request of a client as its coordinator holds it. Internal to coordinator/session.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "coordinator/routing/route_request.h"

namespace promptcache {

struct PlannedPrompt {
  std::string schema;
  std::string version;
  std::string tenant;   // that the units are imported for
  uint64_t domain = 0;  // of their keys
  Plan plan;
  std::shared_ptr<const void> keep_alive;  // the schema, while the request may ask for its recipes
};

enum class RequestStage : uint8_t { kPlanning, kAsking, kWaiting, kRunning };

struct SessionRequest {
  PeerId client = 0;
  uint64_t number = 0;  // ascends in the order of arrival
  RequestStage stage = RequestStage::kPlanning;
  SteadyTime received;
  SteadyTime deadline;
  SteadyTime waiting_since;
  SteadyTime not_before;  // a worker has just refused it
  GenerationOptions options;
  uint16_t priority = 0;  // 0: batches
  PlannedPrompt prompt;
  RouteRequest route;
  PeerId worker = 0;     // while running
  bool started = false;  // there: a part has come
  uint32_t attempt = 0;  // the one that runs, or the next one
  uint32_t losses = 0;   // of workers that ran it, or refused to
  uint32_t gaps = 0;     // in what its workers sent
  Delivered delivered;
  uint64_t text_bytes = 0;  // of the parts that its workers sent
  RequestReport report;

  // Of a request that another coordinator had: what workers know of it.
  bool sent_again = false;
  bool counted = false;    // as accepted here, when an attempt before this one was
  std::set<PeerId> asked;  // that have not answered
  SteadyTime asked_until;
  std::vector<std::pair<PeerId, RequestState>> found;

  // May still be turned away.
  bool is_new() const { return losses == 0 && !sent_again && delivered.parts == 0; }
};

}  // namespace promptcache
