// What `explain` and `trace` show of requests. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/request_report.h"

namespace promptcache {

// {"id": .., "schema": .., "attempts": [{"worker": .., "routes": [{"worker": .., "total_s": ..}]}],
// "usage": ..}: times in *_ms after the request came, costs in *_s.
nlohmann::json ExplainToJson(const RequestReport& request);
// What happened, why there, and what each unit cost.
std::string RenderExplain(const RequestReport& request);
// One line a request.
std::string RenderRequests(const std::vector<RequestReport>& requests);
// The stages of a request as bars on a line of time.
std::string RenderTrace(const RequestReport& request);

}  // namespace promptcache
