// What `store top` shows: the difference of two looks at a store. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cachestore/store.h"
#include "common/clock.h"

namespace promptcache {

struct TopSample {
  SteadyTime at;
  uint64_t unix_ms = 0;
  StoreStats stats;
  std::vector<BlobInfo> blobs;
};

struct TopFrame {
  StoreStats stats;
  uint64_t unix_ms = 0;
  double gets_per_second = 0;
  double hits_per_second = 0;
  double puts_per_second = 0;
  double evictions_per_second = 0;
  std::vector<BlobInfo> most_used;  // by weight: imports that count less with time
};

// A store that was opened anew in between has rates of 0. REQUIRES: now.at > before.at.
TopFrame MakeTopFrame(const TopSample& before, const TopSample& now, size_t units);

nlohmann::json TopToJson(const TopFrame& frame);
std::string RenderTop(const TopFrame& frame);

}  // namespace promptcache
