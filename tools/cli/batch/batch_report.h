// Batches and their results as tables for people and JSON for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"

namespace promptcache {

// "done", "running", or "waiting" for a coordinator.
std::string BatchState(const BatchInfo& batch);

// Names are stable.
nlohmann::json BatchToJson(const BatchInfo& batch);
// {"item": 0, "name": .., "status": "ok", "text": .., "samples": [..], "usage": {..}}
nlohmann::json BatchResultToJson(const BatchResult& result);

std::string RenderBatches(const std::vector<BatchInfo>& batches);
// Of one, by lines.
std::string RenderBatch(const BatchInfo& batch);
// On one line of JSON, with a line feed.
std::string BatchResultLine(const BatchResult& result);

}  // namespace promptcache
