// The work before one worker, as one of several coordinators sees it.
#pragma once

#include <deque>
#include <optional>

#include "common/clock.h"
#include "common/ids.h"

namespace promptcache {

// Seconds. What this coordinator gave and has seen no first token of is known request by request;
// what others gave shows in reports, as the difference. The difference is averaged, because reports
// are old and inexact. Not thread safe.
class Backlog {
 public:
  void Give(const RequestId& request, double seconds, SteadyTime now);
  // The request was computed, or will not be. Ignored when it was not given.
  void Remove(const RequestId& request, SteadyTime now);
  // All work before the worker at `measured`, as it says.
  void Report(double seconds, SteadyTime measured);
  double At(SteadyTime now) const;

 private:
  struct Given {
    RequestId request;
    double seconds = 0;
  };

  double Own(SteadyTime now) const;

  std::deque<Given> given_;  // the oldest first
  double given_s_ = 0;
  SteadyTime begun_;  // with the oldest
  double others_s_ = 0;
  std::optional<SteadyTime> reported_;
};

}  // namespace promptcache
