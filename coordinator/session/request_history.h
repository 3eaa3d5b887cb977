// What has become of the requests of a coordinator: for operators. Pure state.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "common/metrics/metric.h"

namespace promptcache {

struct HistoryLimits {
  size_t last = 1'024;  // requests, whatever they were
  // Of those that ended in so long, as many that took longest until their first token, or until
  // they ended without one: a flood of others does not push them out.
  size_t slowest = 256;
  std::chrono::minutes slowest_for{10};
};

struct RequestEnd {
  SteadyTime at;
  bool in_background = false;  // it waits for all others: how long says nothing
};

// Not thread safe.
class RequestHistory {
 public:
  explicit RequestHistory(const HistoryLimits& limits) : limits_(limits) {}

  // `end.at` never goes back.
  void Add(RequestReport report, const RequestEnd& end);
  // If it is `wanted`; of an id that was used more than once, the last one.
  std::optional<RequestReport> Find(const RequestId& id,
                                    const std::function<bool(const RequestReport&)>& wanted) const;
  // The remembered ones that took longest until their first token, or until they ended without one;
  // the slowest first, at most `count`, of those that are `wanted`.
  std::vector<RequestReport> Slowest(size_t count,
                                     const std::function<bool(const RequestReport&)>& wanted) const;
  // Of the remembered requests that had a first token.
  Percentiles TtftMs() const;
  // Of all requests ever added.
  const TierTokens& tokens() const { return tokens_; }
  uint64_t generated_tokens() const { return generated_tokens_; }
  const Histogram& ttft_s() const { return ttft_s_; }
  const Histogram& duration_s() const { return duration_s_; }

 private:
  using Kept = std::shared_ptr<const RequestReport>;  // by both
  struct Slow {
    SteadyTime ended;
    Kept report;
  };

  void KeepIfSlow(const Kept& report, SteadyTime now);
  void DropSlow(uint64_t number);

  const HistoryLimits limits_;
  std::deque<Kept> reports_;                         // the oldest first
  std::map<uint64_t, Slow> slow_;                    // by number, the oldest first
  std::set<std::pair<double, uint64_t>> by_waited_;  // of these, the fastest first
  uint64_t last_number_ = 0;
  TierTokens tokens_;
  uint64_t generated_tokens_ = 0;
  Histogram ttft_s_{kSecondsBounds};
  Histogram duration_s_{kSecondsBounds};
};

}  // namespace promptcache
