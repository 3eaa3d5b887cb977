// The report of `promptcache bench loadpath`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/types.h"
#include "tools/bench/load_path.h"
#include "tools/bench/warm_start.h"

namespace promptcache {

struct LoadPathReport {
  // What the way chosen may take, by the better of the two.
  static constexpr double kBar = 1.1;

  Identity identity;
  std::vector<LoadPathSize> sizes;
  std::string schema;  // of the warm start
  WarmStart warm_start;

  double worst_ratio() const;
};

// sizes: [{tokens, bytes, load_ms, load_ms_min, load_ms_max, encode_ms, ..., choice_ms, ...,
// choice, ratio}], worst_ratio, warm_start: {warm_ms, ..., disk_ms, ..., bar_ms, ...}: stable
// names, numbers.
nlohmann::json LoadPathToJson(const LoadPathReport& report);
std::string RenderLoadPath(const LoadPathReport& report);

}  // namespace promptcache
