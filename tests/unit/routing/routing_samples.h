// Times, ids, workers and requests for tests of routing.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "coordinator/routing/fleet.h"

namespace promptcache::testing {

inline SteadyTime At(double seconds) {
  return SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(
      std::chrono::duration<double>(1000 + seconds)));
}

inline RequestId Id(uint8_t n) {
  RequestId id;
  id.bytes.fill(n);
  return id;
}

inline UnitKey Unit(uint8_t n) {
  UnitKey key;
  key.bytes.fill(n);
  return key;
}

// 1000 tokens/s; a byte of KV for each token; 10,000 bytes/s from host, 2000 from the store.
inline WorkerProfile Profile(const std::string& name) {
  return {.name = name,
          .slots = 8,
          .kv_bytes_per_token = 1,
          .rates = {.prefill_tokens_per_s = 1000,
                    .host = {.bytes_per_s = 10'000},
                    .remote = {.bytes_per_s = 2000}}};
}

// Of 100 new tokens behind units of 1000 tokens each.
inline RouteRequest Request(uint8_t id, const std::vector<uint8_t>& units = {},
                            const std::string& affinity = "s@v") {
  RouteRequest request{.id = Id(id), .affinity = affinity, .keys = {{}}, .new_tokens = 100};
  for (const uint8_t unit : units) {
    request.unit_tokens.push_back(1000);
    request.keys[0].push_back(Unit(unit));
  }
  return request;
}

}  // namespace promptcache::testing
