// The work before one worker: what it reported last, and what it was given since.
#pragma once

#include <deque>

#include "common/clock.h"
#include "common/ids.h"

namespace promptcache {

// Seconds of work that the worker does one after another at a rate of one second a second. Work
// given after the last report is added at the time it was given, so that a report may be old without
// hiding it. Not thread safe.
class Backlog {
 public:
  // The worker had so much to do at `measured`; what it was given before is in it.
  void Report(double seconds, SteadyTime measured);
  void Give(const RequestId& request, double seconds, SteadyTime now);
  // The request was given but will not be computed. Of a report that counted it the next one knows.
  void Withdraw(const RequestId& request);
  double At(SteadyTime now) const;

 private:
  struct Given {
    RequestId request;
    SteadyTime at;
    double seconds = 0;
  };
  // Remembered of a worker that does not report; older ones become part of the start.
  static constexpr size_t kMaxGiven = 4096;

  void Replay();

  double start_s_ = 0;
  SteadyTime start_;
  std::deque<Given> given_;  // since start_, in order
  double level_s_ = 0;       // at the last of given_, or at start_
  SteadyTime level_;
};

}  // namespace promptcache
