// What the command line tool shows: the same facts as JSON for programs and as tables for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/types.h"

namespace promptcache {

// {"worker": .., "finish": .., "cached_tokens": .., "units": [{"path": .., "source": ..}]}: names
// and units (tokens, bytes, *_ms) are stable.
nlohmann::json UsageToJson(const Usage& usage);
// One line of totals and a table with a row per unit.
std::string RenderUsage(const Usage& usage);
// "device 7, disk 1": how many units came from where.
std::string SummarizeSources(const Usage& usage);

nlohmann::json IdentityToJson(const Identity& identity);
nlohmann::json TierTokensToJson(const TierTokens& tokens);
// A whole number a second; "-" for 0: nothing was measured yet.
std::string FormatRate(double measured);
// "live", "starting" (gets no requests yet), "draining" or "drained".
std::string StateName(const WorkerStatus& worker);
nlohmann::json StatusToJson(const StatusReply& status);
std::string RenderStatus(const StatusReply& status);
// False: it was told to one tenant, and counts are not filled in.
bool IsForOperators(const StatusReply& status);

nlohmann::json SchemasToJson(const std::vector<SchemaInfo>& schemas);
std::string RenderSchemas(const std::vector<SchemaInfo>& schemas);

nlohmann::json PlanToJson(const Plan& plan);
std::string RenderPlan(const Plan& plan);

}  // namespace promptcache
