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

void RequestHistory::Add(RequestReport report) {
  generated_tokens_ += report.usage.generated_tokens;
  if (report.first_token_ms > 0) ttft_s_.Observe(report.first_token_ms / 1000);
  duration_s_.Observe(report.ended_ms / 1000);
  for (const UnitUsage& unit : report.usage.units) TokensOf(tokens_, unit.source) += unit.tokens;
  if (report.usage.units.size() > kMaxUnits) report.usage.units.resize(kMaxUnits);
  reports_.push_back(std::move(report));
  if (reports_.size() > max_requests_) reports_.pop_front();
}

std::optional<RequestReport> RequestHistory::Find(
    const RequestId& id, const std::function<bool(const RequestReport&)>& wanted) const {
  const auto found =
      std::find_if(reports_.rbegin(), reports_.rend(),
                   [&](const RequestReport& report) { return report.id == id && wanted(report); });
  return found == reports_.rend() ? std::nullopt : std::optional(*found);
}

std::vector<RequestReport> RequestHistory::Slowest(
    size_t count, const std::function<bool(const RequestReport&)>& wanted) const {
  std::vector<const RequestReport*> order;
  for (const RequestReport& report : reports_) {
    if (wanted(report)) order.push_back(&report);
  }
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
  for (const RequestReport& report : reports_) {
    if (report.first_token_ms > 0) times.push_back(report.first_token_ms);
  }
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  const auto at = [&](size_t percent) { return times[(times.size() - 1) * percent / 100]; };
  return {.p50 = at(50), .p90 = at(90), .p99 = at(99), .count = times.size()};
}

}  // namespace promptcache
