// What `top` shows: the difference of two looks at a coordinator. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"

namespace promptcache {

struct ClusterSample {
  SteadyTime at;
  uint64_t unix_ms = 0;
  StatusReply status;
};

struct WorkerFrame {
  WorkerStatus worker;
  double requests_per_second = 0;
  double tokens_per_second = 0;  // generated
};

struct ClusterFrame {
  uint64_t unix_ms = 0;
  StatusReply status;
  double requests_per_second = 0;  // accepted
  TierTokens tokens;               // imported in between, by where they came from
  std::vector<WorkerFrame> workers;
};

// Rates are 0 of what was restarted in between, or when the looks are at two coordinators.
// REQUIRES: now.at > before.at.
ClusterFrame MakeClusterFrame(const ClusterSample& before, const ClusterSample& now);

nlohmann::json ClusterFrameToJson(const ClusterFrame& frame);
std::string RenderClusterFrame(const ClusterFrame& frame);

}  // namespace promptcache
