#include "coordinator/routing/backlog.h"

#include <algorithm>
#include <chrono>

namespace promptcache {
namespace {

constexpr double kReportWeight = 0.2;

double Seconds(SteadyTime from, SteadyTime to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

}  // namespace

void Backlog::Give(const RequestId& request, double seconds, SteadyTime now) {
  if (given_.empty()) begun_ = now;
  given_.push_back({.request = request, .seconds = seconds});
  given_s_ += seconds;
}

void Backlog::Remove(const RequestId& request, SteadyTime now) {
  const auto found = std::find_if(given_.begin(), given_.end(),
                                  [&](const Given& given) { return given.request == request; });
  if (found == given_.end()) return;
  if (found == given_.begin()) begun_ = now;
  given_s_ -= found->seconds;
  given_.erase(found);
  if (given_.empty()) given_s_ = 0;
}

void Backlog::Report(double seconds, SteadyTime measured) {
  const double difference = seconds - Own(measured);
  others_s_ = reported_ ? others_s_ + kReportWeight * (difference - others_s_) : difference;
  reported_ = measured;
}

double Backlog::At(SteadyTime now) const {
  if (!reported_) return Own(now);
  const double others =
      others_s_ > 0 ? std::max(0.0, others_s_ - Seconds(*reported_, now)) : others_s_;
  return std::max(0.0, Own(now) + others);
}

double Backlog::Own(SteadyTime now) const {
  if (given_.empty()) return 0;
  return given_s_ - std::min(Seconds(begun_, now), given_.front().seconds);
}

}  // namespace promptcache
