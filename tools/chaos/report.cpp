#include "tools/chaos/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli/table.h"

namespace promptcache::chaos {

using nlohmann::json;

namespace {

constexpr milliseconds kFewFaults{300};  // between two
constexpr int64_t kManyFaults = 50;      // in a run

}  // namespace

void CountRequests(const std::vector<RequestRecord>& records, ChaosReport& report) {
  report.requests = records.size();
  for (const RequestRecord& record : records) {
    if (record.ends.empty()) continue;
    const EndRecord& end = record.ends.front();
    ++report.ends[end.code];
    if (end.accepted) ++report.accepted;
    report.loaded += end.loaded;
    if (end.code == Code::kOk)
      report.longest_gap = std::max(report.longest_gap, LongestGap(record));
  }
}

void CountTroubled(std::span<const RequestRecord> records, ChaosReport& report) {
  for (const RequestRecord& record : records) {
    if (record.cancelled) continue;
    ++report.troubled;
    const bool is_ok = !record.ends.empty() && record.ends.front().code == Code::kOk;
    if (is_ok) ++report.troubled_ok;
  }
}

std::vector<Violation> CheckFloors(const ChaosReport& report) {
  std::vector<Violation> violations;
  const auto fault = [&](const std::string& what) { violations.push_back({"", what}); };
  if (report.resumed == 0) fault("no request went on elsewhere");
  if (report.pause * kManyFaults > report.time) return violations;
  for (const FaultKind kind : report.permitted) {
    if (!report.injected.contains(kind)) fault(fmt::format("no {} was injected", FaultName(kind)));
  }
  if (report.pause >= kFewFaults && report.troubled_ok * 2 <= report.troubled) {
    fault(fmt::format("only {} of {} requests ended well in the time of trouble",
                      report.troubled_ok, report.troubled));
  }
  return violations;
}

std::string RenderReport(const ChaosReport& report) {
  std::string text = fmt::format("seed {}, {} s of trouble\n\n", report.seed, report.time.count());
  Table faults({{"fault"}, {"injected", Align::kRight}});
  for (const FaultKind kind : kFaultKinds) {
    const auto found = report.injected.find(kind);
    faults.AddRow(
        {FaultName(kind), std::to_string(found == report.injected.end() ? 0 : found->second)});
  }
  text += faults.Render() + "\n";
  for (const auto& [what, why] : report.not_permitted) {
    text += fmt::format("not permitted here: {} ({})\n", what, why);
  }
  text += fmt::format("{} requests, {} accepted; ended:", report.requests, report.accepted);
  for (const auto& [code, count] : report.ends)
    text += fmt::format(" {} {},", count, CodeName(code));
  text.back() = '\n';
  text += fmt::format("in the time of trouble {} of {} that were not cancelled were OK\n",
                      report.troubled_ok, report.troubled);
  text += fmt::format(
      "{} units came from a store\n{} restarts, {} requests went on elsewhere, longest gap in an "
      "answer {}\nquiet {} after the last fault; the clients' own process stood still for {} at "
      "most\n"
      "{} violations\n",
      report.loaded, report.restarts, report.resumed,
      FormatMs(static_cast<double>(report.longest_gap.count())),
      FormatMs(static_cast<double>(report.healed_after.count())),
      FormatMs(static_cast<double>(report.longest_stall.count())), report.violations.size());
  for (const Violation& violation : report.violations) {
    text += violation.request.empty()
                ? "  " + violation.what + "\n"
                : fmt::format("  request {}: {}\n", violation.request, violation.what);
  }
  if (report.directory.empty()) return text;
  return text +
         fmt::format("logs and history: {0}; of one request: grep ID {0}/history.jsonl {0}/*.log\n",
                     report.directory);
}

json ReportAsJson(const ChaosReport& report) {
  json injected = json::object();
  for (const auto& [kind, count] : report.injected) injected[FaultName(kind)] = count;
  json not_permitted = json::object();
  for (const auto& [what, why] : report.not_permitted) not_permitted[what] = why;
  json ends = json::object();
  for (const auto& [code, count] : report.ends) ends[std::string(CodeName(code))] = count;
  json violations = json::array();
  for (const Violation& violation : report.violations) {
    violations.push_back({{"request", violation.request}, {"what", violation.what}});
  }
  return {{"seed", report.seed},
          {"seconds", report.time.count()},
          {"injected", std::move(injected)},
          {"not_permitted", std::move(not_permitted)},
          {"restarts", report.restarts},
          {"requests", report.requests},
          {"accepted", report.accepted},
          {"ends", std::move(ends)},
          {"troubled", report.troubled},
          {"troubled_ok", report.troubled_ok},
          {"units_loaded", report.loaded},
          {"resumed", report.resumed},
          {"longest_gap_ms", report.longest_gap.count()},
          {"longest_stall_ms", report.longest_stall.count()},
          {"quiet_after_ms", report.healed_after.count()},
          {"violations", std::move(violations)},
          {"directory", report.directory}};
}

}  // namespace promptcache::chaos
