#include "coordinator/routing/backlog.h"

#include <algorithm>
#include <chrono>

namespace promptcache {
namespace {

double After(double seconds, SteadyTime from, SteadyTime to) {
  const double passed = std::chrono::duration<double>(to - from).count();
  return std::max(0.0, seconds - std::max(0.0, passed));
}

}  // namespace

void Backlog::Report(double seconds, SteadyTime measured) {
  while (!given_.empty() && given_.front().at <= measured) given_.pop_front();
  start_s_ = std::max(0.0, seconds);
  start_ = measured;
  Replay();
}

void Backlog::Give(const RequestId& request, double seconds, SteadyTime now) {
  if (given_.size() == kMaxGiven) {
    const Given& oldest = given_.front();
    start_s_ = After(start_s_, start_, oldest.at) + oldest.seconds;
    start_ = oldest.at;
    given_.pop_front();
  }
  given_.push_back({.request = request, .at = now, .seconds = seconds});
  level_s_ = At(now) + seconds;
  level_ = now;
}

void Backlog::Withdraw(const RequestId& request) {
  std::erase_if(given_, [&](const Given& given) { return given.request == request; });
  Replay();
}

double Backlog::At(SteadyTime now) const { return After(level_s_, level_, now); }

void Backlog::Replay() {
  level_s_ = start_s_;
  level_ = start_;
  for (const Given& given : given_) {
    level_s_ = At(given.at) + given.seconds;
    level_ = given.at;
  }
}

}  // namespace promptcache
