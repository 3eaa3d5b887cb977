// Short ways to say what happens to a session table, and to read what it answers.
#pragma once

#include <string>
#include <vector>

#include "coordinator/session/session.h"

namespace promptcache::testing {

RequestId IdOf(uint8_t n);
UnitKey KeyOf(const WorkerReady& worker, uint8_t recipe);
RecipeDigest RecipeOf(uint8_t n);

// A plan of one unit with 8 rows, all read, and 2 new tokens.
PlannedPrompt PlanOfUnit(uint8_t recipe);

WorkerReady ReadyWorker(uint32_t slots = 4);
Envelope SubmitOf(const RequestId& id, uint64_t timeout_ms = 0);
Envelope PartialOf(const RequestId& id, uint32_t seq, uint32_t attempt = 0);
Envelope FinalOk(const RequestId& id, uint32_t attempt = 0);

Router CostRouter();
void Append(Actions& actions, Actions more);

// "accepted", "partial 3", "final ok", "run attempt 0", ...
std::string BodyWords(const Envelope& envelope);
// "client 1: accepted", "worker 9: run attempt 0", "plan", ... in order, joined by "; ".
std::string Words(const Actions& actions);
// The Final among the actions that goes to this client. Fails the test without exactly one.
Final FinalIn(const Actions& actions, PeerId client);
// The one Run among the actions.
Run RunIn(const Actions& actions);
// The ticket of the one PlanAction.
PlanTicket TicketIn(const Actions& actions);

}  // namespace promptcache::testing
