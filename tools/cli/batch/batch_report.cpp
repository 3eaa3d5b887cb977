#include "tools/cli/batch/batch_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {

using nlohmann::json;

std::string BatchState(const BatchInfo& batch) {
  if (batch.ended == batch.items) return "done";
  return batch.coordinator.empty() ? "waiting" : "running";
}

json BatchToJson(const BatchInfo& batch) {
  return {{"id", batch.id.ToHex()},     {"tenant", batch.tenant},
          {"state", BatchState(batch)}, {"added_unix_ms", batch.added_unix_ms},
          {"items", batch.items},       {"ended", batch.ended},
          {"failed", batch.failed},     {"coordinator", batch.coordinator}};
}

json BatchResultToJson(const BatchResult& result) {
  json samples = json::array();
  for (const BatchSample& sample : result.samples) {
    samples.push_back({{"text", sample.text}, {"tokens", sample.tokens}});
  }
  return {{"item", result.item},
          {"name", result.name},
          {"code", static_cast<int>(result.final.code)},
          {"status", std::string(CodeName(result.final.code))},
          {"message", result.final.message},
          {"text", result.samples.empty() ? "" : result.samples.front().text},
          {"samples", std::move(samples)},
          {"usage", UsageToJson(result.final.usage)}};
}

std::string RenderBatches(const std::vector<BatchInfo>& batches) {
  if (batches.empty()) return "no batches\n";
  Table table({{"batch"},
               {"state"},
               {"items", Align::kRight},
               {"ended", Align::kRight},
               {"failed", Align::kRight},
               {"added (UTC)"},
               {"coordinator"}});
  for (const BatchInfo& batch : batches) {
    table.AddRow({batch.id.ToHex(), BatchState(batch), std::to_string(batch.items),
                  std::to_string(batch.ended), std::to_string(batch.failed),
                  FormatUtc(batch.added_unix_ms),
                  batch.coordinator.empty() ? "-" : batch.coordinator});
  }
  return table.Render();
}

std::string RenderBatch(const BatchInfo& batch) {
  return fmt::format(
      "batch        {}\nstate        {}\nitems        {}\nended        {}\nfailed       {}\n"
      "added (UTC)  {}\ncoordinator  {}\n",
      batch.id.ToHex(), BatchState(batch), batch.items, batch.ended, batch.failed,
      FormatUtc(batch.added_unix_ms), batch.coordinator.empty() ? "-" : batch.coordinator);
}

std::string BatchResultLine(const BatchResult& result) {
  return BatchResultToJson(result).dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace promptcache
