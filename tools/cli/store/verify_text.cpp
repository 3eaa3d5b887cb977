#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/store/blob_list.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/store/verify.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

double BytesPerSecond(const VerifyReport& report) {
  return report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds : 0;
}

}  // namespace

json VerifyToJson(const VerifyReport& report) {
  json damaged = json::array();
  for (const DamagedBlob& blob : report.damaged) {
    json references = json::array();
    for (const Reference& one : blob.references) references.push_back(ReferenceToJson(one));
    damaged.push_back({{"key", blob.key.ToHex()},
                       {"reason", blob.reason},
                       {"dropped", blob.dropped},
                       {"references", std::move(references)}});
  }
  return {{"blobs", report.blobs},
          {"bytes", report.bytes},
          {"seconds", report.seconds},
          {"bytes_per_second", BytesPerSecond(report)},
          {"damaged", std::move(damaged)}};
}

std::string RenderVerify(const VerifyReport& report) {
  std::string out;
  for (const DamagedBlob& blob : report.damaged) {
    out += fmt::format("{} {}: {}\n", blob.dropped ? "dropped" : "DAMAGED", blob.key.ToHex(),
                       blob.reason);
    for (const Reference& one : blob.references) {
      out += fmt::format("        unit of {}\n", ReferenceText(one));
    }
  }
  return out + fmt::format("{} units, {} read in {} ({}/s); {} damaged\n", report.blobs,
                           FormatBytes(report.bytes), FormatMs(report.seconds * 1000),
                           FormatBytes(static_cast<uint64_t>(BytesPerSecond(report))),
                           report.damaged.size());
}

}  // namespace promptcache
