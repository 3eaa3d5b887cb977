#include "coordinator/session/request_history.h"

#include <algorithm>
#include <utility>

namespace promptcache {
namespace {

constexpr size_t kMaxUnits = 256;  // of a request, that are remembered

double WaitedMs(const RequestReport& report) {
  return report.first_token_ms > 0 ? report.first_token_ms : report.ended_ms;
}

uint64_t& TokensOf(TierTokens& tokens, Source source) {
  switch (source) {
    case Source::kDevice:
      return tokens.device;
    case Source::kHost:
      return tokens.host;
    case Source::kDisk:
      return tokens.disk;
    case Source::kRemote:
      return tokens.remote;
    case Source::kEncoded:
      return tokens.encoded;
  }
  return tokens.encoded;
}

}  // namespace

void RequestHistory::Add(RequestReport report, const RequestEnd& end) {
  generated_tokens_ += report.usage.generated_tokens;
  if (report.first_token_ms > 0) ttft_s_.Observe(report.first_token_ms / 1000);
  duration_s_.Observe(report.ended_ms / 1000);
  for (const UnitUsage& unit : report.usage.units) TokensOf(tokens_, unit.source) += unit.tokens;
  if (report.usage.units.size() > kMaxUnits) report.usage.units.resize(kMaxUnits);
  auto kept = std::make_shared<const RequestReport>(std::move(report));
  if (!end.in_background) KeepIfSlow(kept, end.at);
  reports_.push_back(std::move(kept));
  if (reports_.size() > limits_.last) reports_.pop_front();
}

void RequestHistory::KeepIfSlow(const Kept& report, SteadyTime now) {
  while (!slow_.empty() && now - slow_.begin()->second.ended >= limits_.slowest_for) {
    DropSlow(slow_.begin()->first);
  }
  const double waited_ms = WaitedMs(*report);
  if (slow_.size() >= limits_.slowest) {
    if (slow_.empty() || waited_ms <= by_waited_.begin()->first) return;
    DropSlow(by_waited_.begin()->second);
  }
  slow_[++last_number_] = {.ended = now, .report = report};
  by_waited_.emplace(waited_ms, last_number_);
}

void RequestHistory::DropSlow(uint64_t number) {
  const auto slow = slow_.extract(number);
  by_waited_.erase({WaitedMs(*slow.mapped().report), number});
}

std::optional<RequestReport> RequestHistory::Find(
    const RequestId& id, const std::function<bool(const RequestReport&)>& wanted) const {
  const auto fits = [&](const Kept& report) { return report->id == id && wanted(*report); };
  const auto found = std::find_if(reports_.rbegin(), reports_.rend(), fits);
  if (found != reports_.rend()) return **found;
  const auto slow = std::find_if(slow_.rbegin(), slow_.rend(),
                                 [&](const auto& entry) { return fits(entry.second.report); });
  return slow == slow_.rend() ? std::nullopt : std::optional(*slow->second.report);
}

std::vector<RequestReport> RequestHistory::Slowest(
    size_t count, const std::function<bool(const RequestReport&)>& wanted) const {
  std::vector<const RequestReport*> order;
  for (const Kept& report : reports_) order.push_back(report.get());
  for (const auto& [number, slow] : slow_) order.push_back(slow.report.get());
  std::sort(order.begin(), order.end());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::erase_if(order, [&](const RequestReport* report) { return !wanted(*report); });
  count = std::min(count, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
      [](const RequestReport* a, const RequestReport* b) { return WaitedMs(*a) > WaitedMs(*b); });
  std::vector<RequestReport> slowest;
  for (size_t i = 0; i < count; ++i) slowest.push_back(*order[i]);
  return slowest;
}

Percentiles RequestHistory::TtftMs() const {
  std::vector<double> times;
  for (const Kept& report : reports_) {
    if (report->first_token_ms > 0) times.push_back(report->first_token_ms);
  }
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  const auto at = [&](size_t percent) { return times[(times.size() - 1) * percent / 100]; };
  return {.p50 = at(50), .p90 = at(90), .p99 = at(99), .count = times.size()};
}

}  // namespace promptcache
