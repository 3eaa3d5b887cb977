#include "tools/cli/cluster/top_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

// Of a counter that begins anew with its process.
uint64_t Grown(uint64_t before, uint64_t now) { return now < before ? 0 : now - before; }

double Rate(uint64_t before, uint64_t now, double seconds) {
  return static_cast<double>(Grown(before, now)) / seconds;
}

TierTokens Grown(const TierTokens& before, const TierTokens& now) {
  return {.device = Grown(before.device, now.device),
          .host = Grown(before.host, now.host),
          .disk = Grown(before.disk, now.disk),
          .remote = Grown(before.remote, now.remote),
          .encoded = Grown(before.encoded, now.encoded)};
}

bool IsSameProcess(const StatusReply& a, const StatusReply& b) {
  return a.coordinator == b.coordinator && a.pid == b.pid;
}

const WorkerStatus* FindIn(const StatusReply& status, const std::string& name) {
  const auto found = std::find_if(status.workers.begin(), status.workers.end(),
                                  [&](const WorkerStatus& worker) { return worker.name == name; });
  return found == status.workers.end() ? nullptr : &*found;
}

WorkerFrame MakeWorkerFrame(const WorkerStatus* before, const WorkerStatus& now, double seconds) {
  WorkerFrame frame{.worker = now};
  if (before == nullptr || before->pid != now.pid) return frame;
  frame.requests_per_second = Rate(before->requests, now.requests, seconds);
  frame.tokens_per_second = Rate(before->generated_tokens, now.generated_tokens, seconds);
  return frame;
}

std::string Share(uint64_t part, uint64_t all) {
  if (all == 0) return "-";
  return fmt::format("{:.1f} %", 100 * static_cast<double>(part) / static_cast<double>(all));
}

uint64_t Sum(const TierTokens& tokens) {
  return tokens.device + tokens.host + tokens.disk + tokens.remote + tokens.encoded;
}

std::string RenderTiers(const TierTokens& tokens) {
  const uint64_t all = Sum(tokens);
  return fmt::format("imported tokens: device {}, host {}, disk {}, remote {}, encoded {}",
                     Share(tokens.device, all), Share(tokens.host, all), Share(tokens.disk, all),
                     Share(tokens.remote, all), Share(tokens.encoded, all));
}

std::string RenderWorkers(const std::vector<WorkerFrame>& workers) {
  Table table({{"worker"},
               {"state"},
               {"active", Align::kRight},
               {"queued", Align::kRight},
               {"slots", Align::kRight},
               {"backlog", Align::kRight},
               {"requests/s", Align::kRight},
               {"tokens/s", Align::kRight},
               {"prefill tok/s", Align::kRight},
               {"unit memory", Align::kRight},
               {"kv use", Align::kRight}});
  for (const WorkerFrame& frame : workers) {
    const WorkerStatus& worker = frame.worker;
    table.AddRow(
        {worker.name, StateName(worker), std::to_string(worker.active),
         std::to_string(worker.queued), std::to_string(worker.slots),
         FormatMs(worker.backlog_seconds * 1000), fmt::format("{:.1f}", frame.requests_per_second),
         fmt::format("{:.1f}", frame.tokens_per_second), FormatRate(worker.prefill_tokens_per_s),
         FormatBytes(worker.unit_bytes) + " / " + FormatBytes(worker.unit_limit_bytes),
         fmt::format("{:.0f} %", 100 * worker.kv_use)});
  }
  return table.Render();
}

}  // namespace

ClusterFrame MakeClusterFrame(const ClusterSample& before, const ClusterSample& now) {
  const double seconds = MillisecondsBetween(before.at, now.at) / 1000;
  ClusterFrame frame{.unix_ms = now.unix_ms, .status = now.status};
  if (IsSameProcess(before.status, now.status)) {
    frame.requests_per_second =
        Rate(before.status.requests_accepted, now.status.requests_accepted, seconds);
    frame.tokens = Grown(before.status.tokens, now.status.tokens);
  }
  for (const WorkerStatus& worker : now.status.workers) {
    frame.workers.push_back(MakeWorkerFrame(FindIn(before.status, worker.name), worker, seconds));
  }
  std::stable_sort(frame.workers.begin(), frame.workers.end(),
                   [](const WorkerFrame& a, const WorkerFrame& b) {
                     return a.worker.backlog_seconds > b.worker.backlog_seconds;
                   });
  return frame;
}

json ClusterFrameToJson(const ClusterFrame& frame) {
  json workers = json::array();
  for (const WorkerFrame& worker : frame.workers) {
    workers.push_back({{"name", worker.worker.name},
                       {"requests_per_second", worker.requests_per_second},
                       {"tokens_per_second", worker.tokens_per_second}});
  }
  return {{"unix_ms", frame.unix_ms},
          {"requests_per_second", frame.requests_per_second},
          {"imported_tokens", TierTokensToJson(frame.tokens)},
          {"workers", std::move(workers)},
          {"status", StatusToJson(frame.status)}};
}

std::string RenderClusterFrame(const ClusterFrame& frame) {
  const StatusReply& status = frame.status;
  return fmt::format(
             "{} UTC, {}: {:.1f} requests/s; {} active, {} waiting, {} failed, {} rejected\n",
             FormatUtc(frame.unix_ms), status.coordinator, frame.requests_per_second,
             status.requests_active, status.requests_waiting, status.requests_failed,
             status.requests_rejected) +
         fmt::format("first token p50 {}, p90 {}, p99 {} of the last {} requests\n{}\n\n",
                     FormatMs(status.ttft_ms.p50), FormatMs(status.ttft_ms.p90),
                     FormatMs(status.ttft_ms.p99), status.ttft_ms.count,
                     RenderTiers(frame.tokens)) +
         RenderWorkers(frame.workers);
}

}  // namespace promptcache
