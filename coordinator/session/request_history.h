// What has become of the requests of a coordinator: for operators. Pure state.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/metrics/metric.h"

namespace promptcache {

// Not thread safe.
class RequestHistory {
 public:
  // Remembers so many requests.
  explicit RequestHistory(size_t max_requests) : max_requests_(max_requests) {}

  void Add(RequestReport report);
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
  const size_t max_requests_;
  std::deque<RequestReport> reports_;  // the oldest first
  TierTokens tokens_;
  uint64_t generated_tokens_ = 0;
  Histogram ttft_s_{kSecondsBounds};
  Histogram duration_s_{kSecondsBounds};
};

}  // namespace promptcache
