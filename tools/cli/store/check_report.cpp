#include "tools/cli/store/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli/table.h"

namespace promptcache {

using nlohmann::json;

void MarkRepaired(const CheckReport& after, CheckReport& report) {
  for (CheckFinding& finding : report.findings) {
    finding.repaired =
        std::none_of(after.findings.begin(), after.findings.end(), [&](const CheckFinding& left) {
          return left.kind == finding.kind && left.where == finding.where;
        });
  }
}

bool HasFindingsLeft(const CheckReport& report) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [](const CheckFinding& finding) { return !finding.repaired; });
}

json CheckToJson(const CheckReport& report) {
  json findings = json::array();
  for (const CheckFinding& finding : report.findings) {
    findings.push_back(
        {{"kind", finding.kind}, {"where", finding.where}, {"repaired", finding.repaired}});
  }
  return {{"blobs", report.blobs},
          {"files", report.files},
          {"references", report.references},
          {"findings", std::move(findings)}};
}

std::string RenderCheck(const CheckReport& report) {
  std::string out;
  for (const CheckFinding& finding : report.findings) {
    out += fmt::format("{}: {}{}\n", finding.kind, finding.where,
                       finding.repaired ? " (repaired)" : "");
  }
  return out + fmt::format("{} units with {} references in {} files; {} findings\n", report.blobs,
                           report.references, report.files, report.findings.size());
}

json GarbageToJson(const GarbageReport& report) {
  return {{"expired_blobs", report.expired_blobs},
          {"expired_references", report.expired_references},
          {"evicted_blobs", report.evicted_blobs},
          {"orphans", report.orphans},
          {"freed_bytes", report.freed_bytes}};
}

std::string RenderGarbage(const GarbageReport& report) {
  return fmt::format(
      "{} expired units and {} expired references dropped, {} units over the quota, {} files that "
      "belonged to nothing; {} freed\n",
      report.expired_blobs, report.expired_references, report.evicted_blobs, report.orphans,
      FormatBytes(report.freed_bytes));
}

}  // namespace promptcache
